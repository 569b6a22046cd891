"""The JSON-RPC client against a scripted HTTP server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from plimsoll.localnet.errors import RpcError, RpcUnavailable
from plimsoll.localnet.rpc import BATCH_LIMIT, Rpc, redact

Reply = Callable[[Any], Any]
Server = Callable[[Reply], "Scripted"]


class Scripted:
    """A server whose reply is a function of the parsed request; counts connections and posts."""

    def __init__(self, reply: Reply) -> None:
        self.connections = 0
        self.posts = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                owner.connections += 1
                super().setup()

            def do_POST(self) -> None:
                owner.posts += 1
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = reply(request)
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made: list[Scripted] = []

    def make(reply: Reply) -> Scripted:
        made.append(Scripted(reply))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _echo(request: Any) -> Any:
    if isinstance(request, list):
        return [_echo(one) for one in reversed(request)]  # servers may answer in any order
    if request["method"] == "fail":
        error = {"code": 3, "message": "execution reverted", "data": "0xdeadbeef"}
        return {"jsonrpc": "2.0", "id": request["id"], "error": error}
    return {"jsonrpc": "2.0", "id": request["id"], "result": request["params"]}


def test_call__two_calls__share_one_connection(server: Server) -> None:
    scripted = server(_echo)
    rpc = Rpc(scripted.url)
    assert rpc.call("echo", 1, "a") == [1, "a"]
    assert rpc.call("echo") == []
    assert (scripted.connections, scripted.posts) == (1, 2)


def test_call__error_object__raises_rpc_error_with_data(server: Server) -> None:
    with pytest.raises(RpcError) as caught:
        Rpc(server(_echo).url).call("fail")
    assert (caught.value.code, caught.value.data) == (3, "0xdeadbeef")
    assert str(caught.value) == "fail: execution reverted (code 3, data 0xdeadbeef)"


def test_batch__replies_out_of_order__results_in_order(server: Server) -> None:
    scripted = server(_echo)
    count = BATCH_LIMIT + 5
    results = Rpc(scripted.url).batch([("echo", [index]) for index in range(count)])
    assert results == [[index] for index in range(count)]
    assert scripted.posts == 2


def test_batch__nothing_asked__sends_nothing(server: Server) -> None:
    scripted = server(_echo)
    assert Rpc(scripted.url).batch([]) == []
    assert scripted.posts == 0


def test_batch__one_fails__raises_or_keeps_its_error(server: Server) -> None:
    rpc = Rpc(server(_echo).url)
    calls = [("echo", [1]), ("fail", []), ("echo", [2])]
    with pytest.raises(RpcError, match="execution reverted"):
        rpc.batch(calls)
    first, failed, last = rpc.batch(calls, keep_errors=True)
    assert (first, last) == ([1], [2])
    assert isinstance(failed, RpcError)


def test_call__server_restarted__reconnects(server: Server) -> None:
    scripted = server(_echo)
    rpc = Rpc(scripted.url)
    rpc.call("echo")
    assert rpc._connection is not None
    assert rpc._connection.sock is not None
    rpc._connection.sock.shutdown(socket.SHUT_RDWR)  # as an idle timeout would
    assert rpc.call("echo", 7) == [7]
    assert scripted.connections == 2


def test_call__nobody_listens__raises_unavailable_with_exit_code_3() -> None:
    with socket.socket() as held:  # bound but not listening: connections are refused
        held.bind(("127.0.0.1", 0))
        with pytest.raises(RpcUnavailable, match=r"no answer from http://127\.0\.0\.1") as caught:
            Rpc(f"http://127.0.0.1:{held.getsockname()[1]}").call("eth_chainId")
    assert caught.value.exit_code == 3


def test_call__silent_server__raises_unavailable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        rpc = Rpc(f"http://127.0.0.1:{held.getsockname()[1]}", timeout=0.2)
        with pytest.raises(RpcUnavailable, match="timed out"):
            rpc.call("eth_chainId")


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b"{}", b'"text"'])
def test_call__not_json_rpc__raises_unavailable(server: Server, body: bytes) -> None:
    with pytest.raises(RpcUnavailable, match="expected a JSON-RPC reply"):
        Rpc(server(lambda _: body).url).call("eth_chainId")


@pytest.mark.parametrize("url", ["", "localhost:8545", "ftp://127.0.0.1", "http://127.0.0.1:port"])
def test_rpc__bad_address__raises_unavailable(url: str) -> None:
    with pytest.raises(RpcUnavailable, match=r"expected an http"):
        Rpc(url)


def test_redact__address_with_access_key__hides_it() -> None:
    assert redact("https://user:pw@node.example/v2/SECRET?x=1") == "https://node.example/..."
    assert redact("http://127.0.0.1:8545") == "http://127.0.0.1:8545"
