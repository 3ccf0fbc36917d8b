"""What the API answers instead of a result: a code, its HTTP status, a message."""

STATUS = {
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "InvalidClientTokenId": 403,
    "MissingAuthenticationToken": 403,
    "NoSuchChange": 404,
    "NoSuchHealthCheck": 404,
    "NoSuchHostedZone": 404,
    "VPCAssociationNotFound": 404,
}


class ApiError(Exception):
    """An answer with an error code of the API; 400 where `STATUS` names no other."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS.get(code, 400)


class Lost(Exception):
    """No answer: the connection is closed instead."""
