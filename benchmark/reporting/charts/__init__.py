"""The charts of a report: what each shows is decided here, and drawn by ``formats``.

results  the leaderboard, the critical difference, quality against cost
curves   validation by epoch
search   each searched setting, its importance, parallel coordinates, the history
groups   groups of users and targets
ranks    mean ranks with the critical difference, as results and leaderboards draw them
report   all of them, in order
"""
