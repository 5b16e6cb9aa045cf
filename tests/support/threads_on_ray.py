"""The default number of threads in tasks and actors of Ray, as JSON: ``threads_on_ray.py``."""

import json
import os


def default_threads():
    """The number of threads of a network, and the process."""
    from ffnn_fast import Network

    return Network([2, 2]).n_threads, os.getpid()


class Actor:
    """An actor that makes a network."""

    def default_threads(self):
        return default_threads()


def main():
    import joblib
    import ray
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    found = {"driver": default_threads()}
    for place, cpus in enumerate((1, 2, 1, 2, 0.5, 0)):  # workers are used again
        task = ray.remote(num_cpus=cpus)(default_threads)
        found[f"task {place} of {cpus}"] = ray.get(task.remote())
    for cpus in (0, 2):
        actor = ray.remote(num_cpus=cpus)(Actor).remote()
        found[f"actor of {cpus}"] = ray.get(actor.default_threads.remote())
        ray.kill(actor)
    register_ray()
    with joblib.parallel_config("ray", n_jobs=2):
        calls = joblib.Parallel()(joblib.delayed(default_threads)() for _ in range(4))
    found |= {f"joblib {place}": call for place, call in enumerate(calls)}
    ray.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
