import numpy as np

OTHER: int
NUMBER: int
PADDED: int

def read_numbers(
    data: np.ndarray,
    begin: np.ndarray,
    size: np.ndarray,
    mark: int,
    values: np.ndarray,
    kinds: np.ndarray,
) -> None: ...
