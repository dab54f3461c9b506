"""The same trivial review for all three prototypes: parse, look at the uid, answer with one small patch."""

import base64

import orjson

PATCH = base64.b64encode(
    orjson.dumps(
        [
            {
                "op": "add",
                "path": "/spec/containers/0/env/0",
                "value": {"name": f"M365_VARIABLE_{n}", "value": "x" * 36},
            }
            for n in range(8)
        ]
    )
).decode()


def answer(body: bytes) -> bytes:
    """An AdmissionReview that allows the pod and patches it."""
    review = orjson.loads(body)
    response = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": PATCH}
    return orjson.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
