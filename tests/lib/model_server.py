"""A local server that plays a model's recorded answers, over both protocols.

Answers are dictionaries, taken in their order; with none left, the model says that it has no fix.

    {"sql": "…"}                     the structured answer
    {"text": "…"}                    that text in the place of the structured answer
    {"fault": "rate limit"}          one of FAULTS, as the protocol has it
    {"status": 500, "body": "…", "headers": {…}}
"""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
TOOL = "submit_migration"


def _openai(answer):
    message, finish = {"role": "assistant", "content": answer["text"]}, "stop"
    if answer.get("cut_off"):
        finish = "length"
    if answer.get("refusal"):
        message = {"role": "assistant", "content": None, "refusal": answer["refusal"]}
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion", "choices": choices * answer.get("times", 1),
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}


def _anthropic(answer):
    try:
        given = json.loads(answer["text"])
        content = [{"type": "text", "text": "I hand in the migration."},
                   {"type": "tool_use", "id": "t", "name": TOOL, "input": given}]
        stop = "tool_use"
    except ValueError:
        content, stop = [{"type": "text", "text": answer["text"]}], "end_turn"
    if answer.get("cut_off"):
        stop = "max_tokens"
    if answer.get("refusal"):
        content, stop = [], "refusal"
    if answer.get("times"):
        content = content[-1:] * answer["times"]
    return {"id": "m", "type": "message", "role": "assistant", "content": content,
            "stop_reason": stop, "usage": {"input_tokens": 1000, "output_tokens": 100}}


_RENDER = {"openai": _openai, "anthropic": _anthropic}
_GOOD = json.dumps({"sql": "SELECT 1", "explanation": "Hm."})
FAULTS = {
    "rate limit": {"status": 429, "headers": {"Retry-After": "1"},
                   "body": '{"error": {"type": "rate_limit_error", "message": "slow down"}}'},
    "overloaded": {"status": 529, "body": '{"error": {"message": "overloaded"}}'},
    "server error": {"status": 500, "body": "oops"},
    "key": {"status": 401, "body": '{"error": {"message": "invalid x-api-key"}}'},
    "talks too much": {"status": 400, "body": '{"error": {"message": "Bearer KEY is no good"}}'},
    "no such model": {"status": 404, "body": '{"error": {"message": "no such model"}}'},
    "redirect": {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}, "body": ""},
    "refusal": {"text": "", "refusal": "I can't help with that."},
    "cut off": {"text": _GOOD[:20], "cut_off": True},
    "several": {"text": _GOOD, "times": 2},
    "several blocks": {"text": "```sql\nSELECT 1\n```\nor\n```sql\nDROP TABLE keep\n```"},
    "prose": {"text": "Just drop the table."},
    "broken JSON": {"text": '{"sql": "SELECT 1'},
    "not JSON": {"status": 200, "body": "<html>"},
    "nothing": {"status": 200, "body": "{}"},
    "silence": {"silence": True},
    "hang up": {"hang_up": True},
}


class ModelServer:
    """Listens on a free port of the loopback until close()."""

    def __init__(self, key="sk-test-model-key"):
        self.key = key
        self.answers = []
        self.requests = []  # {"protocol", "headers", "body"}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, protocol="openai"):
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATHS[protocol]}"

    def play(self, *answers):
        """Forgets what was asked, and plays these from now on; a text is the SQL of an answer."""
        with self._lock:
            self.answers = [{"sql": answer} if isinstance(answer, str) else answer
                            for answer in answers]
            self.requests = []

    def prompts(self):
        """What the model was told, one text a request."""
        with self._lock:
            return [request["body"]["messages"][-1]["content"] for request in self.requests]

    def close(self):
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _next(self, protocol, headers, body):
        with self._lock:
            self.requests.append({"protocol": protocol, "headers": headers, "body": body})
            answer = self.answers.pop(0) if self.answers else {"sql": ""}
        answer = FAULTS[answer["fault"]] if "fault" in answer else answer
        if "sql" in answer:
            answer = {**answer, "text": json.dumps({"sql": answer["sql"],
                                                    "explanation": "It is mended."})}
        return answer

    def _authorized(self, protocol, headers):
        if protocol == "openai":
            return headers.get("Authorization") == f"Bearer {self.key}"
        return headers.get("x-api-key") == self.key and headers.get("anthropic-version")

    def _handler(model):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                protocol = next((name for name, path in PATHS.items() if path == self.path), None)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if protocol is None:
                    return self._send(404, {}, b"{}")
                answer = model._next(protocol, dict(self.headers), body)
                if answer.get("silence"):
                    model._ending.wait(60)
                    self.close_connection = True
                elif answer.get("hang_up"):
                    self.close_connection = True
                elif not model._authorized(protocol, self.headers):
                    self._send(401, {}, b'{"error": {"message": "wrong key"}}')
                elif "status" in answer:
                    body = answer["body"].replace("KEY", model.key)
                    self._send(answer["status"], answer.get("headers", {}), body.encode())
                else:
                    self._send(200, {}, json.dumps(_RENDER[protocol](answer)).encode())
                return None

            def _send(self, status, headers, body):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
