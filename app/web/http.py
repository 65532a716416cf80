"""HTTP's parser, in C by `httptools`, with a limit that it has not: how long the head of a request may be."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 65_536


class BoundedHttp(HttpToolsProtocol):
    """A connection that is closed with a 400 once the head of a request does not end, before it fills the memory."""

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Take in what has come."""
        before = self._in_head
        super().data_received(data)
        # The part in which a head begins may hold the end of a body too: it is one part at the most.
        self._head_bytes = self._head_bytes + len(data) if before and self._in_head else 0
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of this request is too long.")

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._in_head = False
        super().on_headers_complete()
