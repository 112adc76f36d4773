"""Requests at a running server with a library, and calls of an MCP server's tools, timed: what bench/library.sh asks. Prints milliseconds, the
median, p10 and p90, of requests one after the other; what is asked for again was asked once before.

    python3 bench/library_requests.py search N URL     N searches of two rare words and a common one
    python3 bench/library_requests.py page N URL       N pages by the addresses that searches give, and N articles by the ids
    python3 bench/library_requests.py round N URL      N calls of search_library, of such words
    python3 bench/library_requests.py tools N STOKER   N searches of 10,000 definitions by STOKER mcp, their way to it and back among it
    python3 bench/library_requests.py call N STOKER    N calls of a tool by STOKER mcp and by its server alone, by turns: the difference
    python3 bench/library_requests.py beside PAIRS URL      two streamed answers for 10 s, 10 s with a search a second, 10 s without: a line a pair
    python3 bench/library_requests.py server TOOLS     such an MCP server, over stdin and stdout
"""
import http.client, json, os, random, statistics, subprocess, sys, tempfile, threading, time
from urllib.parse import urlparse

measure, count, *rest = sys.argv[1:]
count = int(count)
random.seed(1)


def told(what, took, more=""):
    took = sorted(1000 * t for t in took)
    print(f"{what}: median {statistics.median(took):.2f} ms, {took[len(took) // 10]:.2f} to {took[len(took) * 9 // 10]:.2f}{more}", flush=True)


def seconds(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


# ---- over HTTP -----------------------------------------------------------------------------------------------------------------

def connect():
    return http.client.HTTPConnection(urlparse(rest[0]).netloc, timeout=600)


def ask(c, path, body=None):
    """The answer, which is to be read."""
    c.request("POST" if body else "GET", path, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
    r = c.getresponse()
    if r.status != 200:
        print(f"{path}: {r.status} {r.read()[:300].decode()}", file=sys.stderr)
        os._exit(1)  # from any thread
    return r


def rare():
    return f"w{random.randrange(50000)}"


def query():
    return {"query": f"{rare()} {rare()} bridge", "limit": 5}


def search():
    c, queries = connect(), [query() for _ in range(count)]
    for q in queries:
        ask(c, "/v1/library/search", q).read()
    told(f"{count} searches", [seconds(lambda: ask(c, "/v1/library/search", q).read()) for q in queries])


def page():
    c, urls, ids = connect(), [], []
    while len(urls) < count:
        found = json.loads(ask(c, "/v1/library/search", {"query": rare(), "limit": 5}).read())["results"]
        urls += [hit["url"].split("#")[0] for hit in found]
        ids += [hit["id"] for hit in found]
    for what, paths in ("pages", urls[:count]), ("articles", ["/v1/library/article/" + i for i in ids[:count]]):
        for p in paths:
            ask(c, p).read()
        told(f"{count} {what}", [seconds(lambda: ask(c, p).read()) for p in paths])


def call_of_a_round():
    c = connect()
    calls = [{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_library", "arguments": query()}} for _ in range(count)]
    for body in calls:
        if b'"isError":true' in (said := ask(c, "/mcp", body).read()):
            sys.exit(said[:300].decode())
    told(f"{count} calls of search_library", [seconds(lambda: ask(c, "/mcp", body).read()) for body in calls])


def stream(arrivals, ended):
    """When each token came."""
    c = connect()
    r = ask(c, "/v1/completions", {"prompt": [random.randrange(300, 1000) for _ in range(64)], "max_tokens": 100000, "ignore_eos": True, "stream": True,
                                   "logprobs": 0})
    while not ended.is_set() and (line := r.readline()):
        if line.startswith(b"data: {"):
            arrivals += [time.monotonic()] * len(json.loads(line[5:])["choices"][0]["logprobs"]["tokens"])
    c.close()


def rate(arrivals):
    """Tokens a second of both for ten seconds from now on."""
    began = time.monotonic()
    time.sleep(10)
    return sum(began <= t <= began + 10 for mine in arrivals for t in mine) / 10


def searching(done, n):
    c = connect()
    while not done.wait(1):
        ask(c, "/v1/library/search", query()).read()
        n[0] += 1


def beside():
    ratios = []
    for _ in range(count):
        arrivals, ended, done, n = [[], []], threading.Event(), threading.Event(), [0]
        threads = [threading.Thread(target=stream, args=(mine, ended)) for mine in arrivals]
        for t in threads:
            t.start()
        while not all(len(mine) > 16 for mine in arrivals):
            time.sleep(0.01)
        alone = rate(arrivals)
        somebody = threading.Thread(target=searching, args=(done, n))
        somebody.start()
        meanwhile = rate(arrivals)
        done.set()
        somebody.join()
        alone = (alone + rate(arrivals)) / 2  # tokens take longer as the answers grow
        ended.set()
        for t in threads:
            t.join()
        ratios.append(meanwhile / alone)
        print(f"{meanwhile:.1f} tokens/s beside {n[0]} searches in 10 s, {alone:.1f} alone: {ratios[-1]:.3f}", flush=True)
    print(f"median {statistics.median(ratios):.3f} of {count} pairs", flush=True)


# ---- MCP -----------------------------------------------------------------------------------------------------------------------

VERBS, NOUNS = "read write list find move copy share close".split(), "page issue file label event message branch invoice".split()


def tool(i):
    verb, noun = VERBS[i % 8], NOUNS[i // 8 % 8]
    return {"name": f"{verb}_{noun}_{i}", "description": f"To {verb} one {noun} of workspace {i}, whose id is known.",
            "inputSchema": {"type": "object", "properties": {"id": {"type": "string", "description": f"of the {noun}"}}, "required": ["id"]}}


def server():
    results = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}},
               "tools/list": {"tools": [tool(i) for i in range(count)]}, "tools/call": {"content": [{"type": "text", "text": "done"}]}}
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked:
            print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": results.get(asked["method"], {})}), flush=True)


class Client:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.id = 0
        self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}})
        self.ask("tools/list", {})

    def ask(self, method, params):
        self.id += 1
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if answer.get("id") != self.id or "result" not in answer or answer["result"].get("isError"):
            sys.exit(f"{method}: {json.dumps(answer)[:300]}")

    def call(self, name, **arguments):
        return seconds(lambda: self.ask("tools/call", {"name": name, "arguments": arguments}))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def with_server(n, work):
    """Work with a client of STOKER mcp before a server of n tools, and the server's command."""
    command = [sys.executable, "-B", os.path.abspath(__file__), "server", str(n)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump({"mcpServers": {"s": {"command": command[0], "args": command[1:]}}}, f)
        f.flush()
        client = Client(rest[0], "mcp", "--mcp", f.name)
        work(client, command)
        client.close()


def tools(client, command):
    told(f"{count} searches of 10000 definitions", [client.call("search_tools", query=f"{random.choice(VERBS)} {random.choice(NOUNS)} workspace")
                                                   for _ in range(count)])


def call(client, command):
    alone, name, more = Client(*command), tool(0)["name"], []
    for i in range(count + 10):
        by_stoker, by_itself = client.call("s__" + name, id="1"), alone.call(name, id="1")
        if i >= 10:
            more.append(by_stoker - by_itself)
    alone.close()
    told(f"{count} calls took longer by stoker mcp", more)


measures = {"search": search, "page": page, "round": call_of_a_round, "beside": beside, "server": server,
            "tools": lambda: with_server(10000, tools), "call": lambda: with_server(1, call)}
if measure not in measures:
    sys.exit(__doc__)
measures[measure]()
