"""Prototype 1: a Flask application under gunicorn's gthread worker, as most Python webhooks are written."""

from flask import Flask, Response, request

from bench.prototypes.answer import answer

application = Flask(__name__)


@application.post("/mutate")
def mutate() -> Response:
    """One review."""
    return Response(answer(request.get_data()), mimetype="application/json")
