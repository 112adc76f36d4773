"""Pairs of requests at running servers, timed: what bench/steer.sh asks of stoker serve. Prints a line a pair, "MEASURE RATIO", in which
the later kind stands over the earlier one; the first pair warms up and is not printed.

    python3 bench/steer_requests.py eight PAIRS URL A,B       8 sequences: each with a list of vectors A and B of its own / without
    python3 bench/steer_requests.py beside PAIRS URL URL      8 sequences without lists: at the first server / at the second
    python3 bench/steer_requests.py capture PAIRS URL ROWS LAYERS    a prompt of ROWS tokens: resid_post of LAYERS (3, or 0-11) / one number
    python3 bench/steer_requests.py features PAIRS URL SAE BYTES     64 tokens with features recorded: GB/s of the encoder's BYTES in the time
                                                              that they take more
    python3 bench/steer_requests.py load PAIRS URL PATH       longest gap of 4 streams while PATH is loaded / while nothing is
    python3 bench/steer_requests.py fill PAIRS URL NAMES LAYERS      what fills a server's memory: vectors NAME,.. of its folder are loaded, and 4
                                                              requests at a time record resid_post under a list of all of them; 1 / 1
"""
import http.client, json, random, sys, threading, time
from urllib.parse import urlparse

measure, pairs, url = sys.argv[1], int(sys.argv[2]), sys.argv[3]
rest = sys.argv[4:]


def ask(path, body, at=url, arrivals=None):
    """When the answer began, and its bytes; arrivals: gets the time of each line that comes."""
    c = http.client.HTTPConnection(urlparse(at).netloc, timeout=3600)
    c.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    r = c.getresponse()
    began = time.monotonic()
    said = b""
    while arrivals is not None and (line := r.readline()):
        if line.startswith(b"data:"):
            arrivals.append(time.monotonic())
    said += r.read()
    if r.status != 200:
        sys.exit(f"{path}: {r.status} {said[:300].decode()}")
    return began, said


def prompt(n):
    return [random.randrange(40, 240) for _ in range(n)]


def seconds(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def at_once(works):
    threads = [threading.Thread(target=w) for w in works]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def eight(prompts, lists, at):
    def one(i):
        ask("/v1/completions", {"prompt": prompts[i], "max_tokens": 64, "ignore_eos": True, "cache_prompt": False, **({} if lists is None else {"steer": lists[i]})}, at)
    return seconds(lambda: at_once([lambda i=i: one(i) for i in range(8)]))


def recorded(ids, capture, n=0):
    """Seconds until all rows are in a file and its first bytes come: reading all of it is the client's own time."""
    asked = time.monotonic()
    began, _ = ask("/activations", {"prompt": ids, "max_tokens": n, "ignore_eos": True, "cache_prompt": False, "format": "safetensors", "capture": capture})
    return began - asked


NOTHING = {"tensors": ["final"], "reduce": "norm", "from": -1, "to": "generated"}


def longest_gap(during):
    arrivals = [[] for _ in range(4)]
    def stream(i):
        ask("/v1/completions", {"prompt": prompt(64), "max_tokens": 192, "ignore_eos": True, "stream": True}, arrivals=arrivals[i])
    threads = [threading.Thread(target=stream, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    while not all(len(a) > 16 for a in arrivals):
        time.sleep(0.01)
    begin = time.monotonic()
    during()
    for t in threads:
        t.join()
    return max(b - a for list in arrivals for a, b in zip(list, list[1:]) if a >= begin)


def load():
    ask("/control-vectors/load", {"path": rest[0], "name": "loaded"})


def one_pair(i):
    """Both times, the later kind's first; by turns."""
    def both(later, earlier):
        if i % 2:
            b = earlier()
            return later(), b
        return later(), earlier()
    if measure == "eight":
        p, names = [prompt(64) for _ in range(8)], rest[0].split(",")
        lists = [[{"vector": v, "scale": 0.001 * (k + 1)} for v in names] for k in range(8)]
        return both(lambda: eight(p, lists, url), lambda: eight(p, [[]] * 8, url))
    if measure == "beside":
        p = [prompt(64) for _ in range(8)]
        return both(lambda: eight(p, None, url), lambda: eight(p, None, rest[0]))
    if measure == "capture":
        ids, (first, *last) = prompt(int(rest[0])), map(int, rest[1].split("-"))
        layers = [[first, last[0]]] if last else [first]
        return both(lambda: recorded(ids, {"tensors": ["resid_post"], "layers": layers}), lambda: recorded(ids, NOTHING))
    if measure == "features":
        ids = prompt(16)
        more, less = both(lambda: recorded(ids, {"sae": rest[0], "top": 32, "from": "generated"}, 65), lambda: recorded(ids, NOTHING, 65))
        return 64 * int(rest[1]) / 1e9, more - less
    if measure == "fill":
        names, (first, last) = rest[0].split(","), map(int, rest[1].split("-"))
        for name in names if i == 0 else []:
            ask("/control-vectors/load", {"path": name + ".gguf", "name": name})
        steer = [{"vector": name, "scale": 0.001, "from": k} for k, name in enumerate(names)]
        at_once([lambda: ask("/activations", {"prompt": prompt(900), "max_tokens": 64, "ignore_eos": True, "cache_prompt": False, "format": "safetensors",
                                              "steer": steer, "capture": {"tensors": ["resid_post"], "layers": [[first, last]]}}) for _ in range(4)])
        return 1, 1
    if measure == "load":
        result = both(lambda: longest_gap(load), lambda: longest_gap(lambda: None))
        ask("/control-vectors/unload", {"id": "loaded"})
        return result
    sys.exit(__doc__)


for i in range(pairs + 1):
    a, b = one_pair(i)
    if i:
        print(measure, a / b, flush=True)
