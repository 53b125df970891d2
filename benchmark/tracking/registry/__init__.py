"""The model registry: a trial's best weights as a model that MLflow serves.

``registry`` registers and looks up, ``export`` writes the model's folder, ``recommender`` is the
code that runs in it, ``loading`` loads it in this process, ``unfinished`` removes what a killed
promotion left.
"""
