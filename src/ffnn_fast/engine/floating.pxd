# The two types of numbers that every kernel is compiled for.

ctypedef fused floating:
    float
    double
