"""What scipy and numpy say of pairs of samples.

Reads the pairs from the file in the first argument, a JSON list of objects with `values`, `against` and `alpha`, and prints
what was found as a JSON list in the same order.
"""

import json
import sys

import numpy as np
from scipy.stats import mannwhitneyu

WAYS = ("two-sided", "greater", "less")


def p_value(values, against, way, method):
    result = mannwhitneyu(values, against, alternative=way, use_continuity=True, method=method)
    return float(result.pvalue)


def interval(values, against, differences, alpha):
    """The outermost differences that the exact test does not reject, by asking it between any two differences."""
    between = (differences[:-1] + differences[1:]) / 2
    outside = [differences[0] - 1.0, differences[-1] + 1.0]
    if p_value(values - outside[0], against, "two-sided", "exact") > alpha:
        return None
    # The p-value rises to the middle and falls from there, and is the same from either end.
    low, high = 0, len(between)
    while low < high:
        middle = (low + high) // 2
        in_lower_half = middle < len(between) / 2
        if in_lower_half and p_value(values - between[middle], against, "two-sided", "exact") <= alpha:
            low = middle + 1
        else:
            high = middle
    return [float(differences[low]), float(differences[len(differences) - 1 - low])]


def compare(pair):
    values, against = np.array(pair["values"]), np.array(pair["against"])
    differences = np.sort(np.subtract.outer(values, against).ravel())
    both = np.concatenate([values, against])
    tied = len(np.unique(both)) < len(both)
    return {
        "u": float(mannwhitneyu(values, against, method="asymptotic").statistic),
        "shift": float(np.median(differences)),
        "asymptotic": [p_value(values, against, way, "asymptotic") for way in WAYS],
        "exact": None if tied else [p_value(values, against, way, "exact") for way in WAYS],
        "interval": None if tied else interval(values, against, differences, pair["alpha"]),
    }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        pairs = json.load(file)
    json.dump([compare(pair) for pair in pairs], sys.stdout)


main()
