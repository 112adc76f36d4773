"""Requests at a running server of a chat model and one of vectors, timed: what bench/embed_server.sh asks of stoker serve.

    python3 bench/embed_requests.py one N TOKENS URL MODEL         N requests of one text of TOKENS tokens, one after the other on one
                                                    connection, once the server reads no experts any more: prints the median of their
                                                    milliseconds, p10 and p90, and the mean of the steps in them
    python3 bench/embed_requests.py beside PAIRS TEXTS TOKENS URL MODEL LAYERS      2 streamed answers alone, then while TEXTS texts become
                                                    vectors; a line a pair: longest gap, those that 99 of 100 and half are below, one step
                                                    and a layer, the same of the answers alone (ms); rates, tokens/s. tests/gaps.c
                                                    prints such lines by the engine's clock
"""
import http.client, json, os, random, re, statistics, sys, threading, time
from urllib.parse import urlparse


def connect(url):
    return http.client.HTTPConnection(urlparse(url).netloc, timeout=3600)


def post(c, path, body):
    """body: an object, or its text: where answers are timed meanwhile, writing it would hold their threads up."""
    c.request("POST", path, body if isinstance(body, str) else json.dumps(body), {"Content-Type": "application/json"})
    r = c.getresponse()
    if r.status != 200:
        print(f"{path}: {r.status} {r.read()[:300].decode()}", file=sys.stderr)
        os._exit(1)  # from any thread
    return r


def ids(n):
    return [random.randrange(300, 4000) for _ in range(n)]


def wait_until_read(url):
    """Experts are read behind a server's start, and all of them take memory's rate and the drive's from whoever computes."""
    before, now = -1, metric(url, "disk_read_bytes_total")
    while now != before:
        time.sleep(1)
        before, now = now, metric(url, "disk_read_bytes_total")


def one(n, tokens, url, model):
    c, took = connect(url), []
    wait_until_read(url)
    for i in range(n + 10):
        if i == 10:
            steps, spent = steps_of(url)
        text = ids(tokens)
        began = time.monotonic()
        post(c, "/v1/embeddings", {"model": model, "input": text}).read()
        if i >= 10:
            took.append(1000 * (time.monotonic() - began))
    took.sort()
    more, seconds = steps_of(url)
    print(f"{statistics.median(took):.2f} ms ({took[n // 10]:.2f} to {took[n * 9 // 10]:.2f}), the step in them "
          f"{1000 * (seconds - spent) / (more - steps):.2f}")


def metric(url, name):
    c = connect(url)
    c.request("GET", "/metrics")
    return float(re.search(rf"^stoker_{name} (\S+)", c.getresponse().read().decode(), re.M)[1])


def steps_of(url):
    """Steps of the model of vectors so far, and their seconds."""
    return metric(url, "embed_step_seconds_count"), metric(url, "embed_step_seconds_sum")


def streams(url, arrivals, ended):
    """Two answers; when each piece of them came and how many tokens it has go into arrivals until ended is set. Bytes of a character that
    is not whole yet wait for the next token, so a piece may have several."""
    def stream(mine):
        c = connect(url)
        r = post(c, "/v1/completions", {"prompt": ids(64), "max_tokens": 100000, "ignore_eos": True, "stream": True,
                                          "logprobs": 0})
        while not ended.is_set() and (line := r.readline()):
            if line.startswith(b"data:"):
                now = time.monotonic()
                mine.append((now, len(json.loads(line[5:])["choices"][0]["logprobs"]["tokens"])))
        c.close()
    threads = [threading.Thread(target=stream, args=(mine,)) for mine in arrivals]
    for t in threads:
        t.start()
    while not all(len(mine) > 16 for mine in arrivals):
        time.sleep(0.01)
    return threads


def rates(arrivals, begin, end):
    """Tokens/s of both, and all gaps between two pieces the later of which has one token, from begin to end."""
    tokens = sum(n for mine in arrivals for t, n in mine if begin <= t <= end)
    gaps = [b - a for mine in arrivals for (a, _), (b, n) in zip(mine, mine[1:]) if b >= begin and a <= end and n == 1]
    return tokens / (end - begin), gaps


def long_ones(gaps):
    return (f"{1000 * max(gaps):.1f} (p99 {1000 * sorted(gaps)[len(gaps) * 99 // 100]:.1f}, "
            f"half of them {1000 * statistics.median(gaps):.1f})")


def beside(pairs, texts, tokens, url, model, layers):
    for _ in range(pairs):
        arrivals, ended = [[], []], threading.Event()
        threads = streams(url, arrivals, ended)
        began = time.monotonic()
        time.sleep(10)
        alone, gaps = rates(arrivals, began, time.monotonic())
        body = json.dumps({"model": model, "input": [ids(tokens) for _ in range(texts)]})
        time.sleep(1)
        n, spent = steps_of(url)
        began = time.monotonic()
        post(connect(url), "/v1/embeddings", body).read()
        end = time.monotonic()
        meanwhile, longest = rates(arrivals, began, end)
        ended.set()
        for t in threads:
            t.join()
        more, seconds = steps_of(url)
        layer = (seconds - spent) / (more - n) / layers
        step = statistics.median(gaps)
        print(f"gap {long_ones(longest)} of {1000 * (step + layer):.1f} ms, with the longest gap alone as the step "
              f"{1000 * (max(gaps) + layer):.1f} (step {1000 * step:.1f}, layer {1000 * layer:.1f}; alone "
              f"{long_ones(gaps)}), tokens/s {meanwhile:.1f} beside, {alone:.1f} alone: {meanwhile / alone:.2f}; "
              f"{texts * tokens / (end - began):.0f} tokens/s of texts", flush=True)


measure, *rest = sys.argv[1:]
if measure == "one":
    one(int(rest[0]), int(rest[1]), *rest[2:])
elif measure == "beside":
    beside(int(rest[0]), int(rest[1]), int(rest[2]), rest[3], rest[4], int(rest[5]))
else:
    sys.exit(__doc__)
