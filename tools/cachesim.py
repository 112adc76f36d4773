#!/usr/bin/env python3
"""cachesim.py - expert cache simulator for route traces (Python 3 standard library only).

  cachesim.py info   T.strt [...]                      what a trace holds, its locality figures
  cachesim.py table  T.strt [...] [--frac 3,6,12.5,25,50 | --mib 1000,2000] [--policy a,b]
                                                       decode hit rates, sizes x policies
  cachesim.py run    T.strt --mib N [--policy ema] [--events F] [--per-step F]
                                                       one simulation; F gets one JSON line per event
  cachesim.py check  T.strt --slots a,b --events F     replay the rules, compare with an engine's log
  cachesim.py sweep  T.strt                            experts touched by a prompt chunk of n tokens
  cachesim.py prompt T.strt --mib N --prompt 512 --chunk 256   bytes read by a prompt, hits just after it
  cachesim.py speed  T.strt --mib N --disk GB/s --compute ms --expert-share 0.55   overlap model
  cachesim.py gen    --spec NAME --out T.strt          synthetic trace (specs in GEN below)
  cachesim.py import-csv F.csv --out T.strt --name N --source S --license L
  cachesim.py dump   T.strt                            text: step phase layer id id ...

The rules (slots, classes, keys, victims, sweep) are those of src/store, written a second time and differently.
"""
import argparse, bisect, heapq, json, math, os, random, struct, sys, zlib
from collections import OrderedDict, defaultdict, deque

MAGIC = b"STRT1\n"
NONE8, NONE16 = 0xFF, 0xFFFF

# ----------------------------------------------------------------------------- trace file
class Trace:
    """ids[step][layer_index] = tuple of expert ids in router order ('' when not routed)."""
    def __init__(self, head, ids):
        self.head, self.ids = head, ids
        self.L = len(head["layers"]); self.E = head["n_expert"]; self.k = head["k"]
        self.nprompt = head["n_prompt"]; self.bytes = head["expert_bytes"]
        self.slot = head.get("slot_bytes") or [slot_bytes(b, head.get("extents", 3)) for b in self.bytes]

    @staticmethod
    def load(path):
        with open(path, "rb") as f:
            if f.read(6) != MAGIC:
                raise SystemExit("%s: not a route trace" % path)
            n = struct.unpack("<I", f.read(4))[0]
            head = json.loads(f.read(n)); raw = f.read()
        if head["comp"] == "zlib":
            raw = zlib.decompress(raw)
        L, k, S = len(head["layers"]), head["k"], head["n_step"]
        if head["id_bytes"] == 1:
            flat, none = raw, NONE8
        else:
            flat, none = struct.unpack("<%dH" % (len(raw) // 2), raw), NONE16
        if len(flat) != S * L * k:
            raise SystemExit("%s: payload of %d ids, header says %d" % (path, len(flat), S * L * k))
        ids, p = [], 0
        for _ in range(S):
            row = []
            for _ in range(L):
                row.append(tuple(x for x in flat[p:p + k] if x != none)); p += k
            ids.append(row)
        return Trace(head, ids)

    def save(self, path):
        k, E = self.k, self.E
        idb = 1 if E <= 255 else 2; none = NONE8 if idb == 1 else NONE16
        flat = []
        for row in self.ids:
            for v in row:
                flat.extend(v); flat.extend([none] * (k - len(v)))
        raw = bytes(flat) if idb == 1 else struct.pack("<%dH" % len(flat), *flat)
        h = dict(self.head, id_bytes=idb, n_step=len(self.ids), comp="zlib")
        hb = json.dumps(h, sort_keys=True, separators=(",", ":")).encode()
        with open(path, "wb") as f:
            f.write(MAGIC + struct.pack("<I", len(hb)) + hb + zlib.compress(raw, 9))

def slot_bytes(expert_bytes, extents, align=4096):
    """Room for the aligned supersets of the extents of one expert (worst case of the offsets)."""
    per = -(-expert_bytes // extents)
    return extents * ((per + align - 1) // align * align + align)

# ----------------------------------------------------------------------------- keys (LRFU, integer)
KU = 256                                  # key units per half-life
KTAB = [int(KU * math.log2(1 + 2.0 ** (-d / KU)) + 0.5) for d in range(KU * 10)]

def lrfu_touch(key, now):
    """key after one use at time 'now' (key units); key None = never used."""
    if key is None:
        return now
    d = now - key
    if d < 0:                             # key is ahead of the clock: add a use to a larger sum
        d = -d
        return key + (KTAB[d] if d < len(KTAB) else 0)
    return now + (KTAB[d] if d < len(KTAB) else 0)

# ----------------------------------------------------------------------------- policies
class Base:
    """One size class. Subclasses order victims. An entry is (layer index, expert id)."""
    def __init__(self, cap, ctx):
        self.cap, self.ctx, self.res = cap, ctx, {}
    def clock(self, step, l, order): self.step, self.l, self.order = step, l, order
    def use(self, e): pass                 # the router chose e (resident or not)
    def hit(self, e): pass
    def add(self, e): self.res[e] = 1
    def drop(self, e): del self.res[e]
    def victim(self, pinned): raise NotImplementedError

class Keyed(Base):
    """Victim = smallest (key, -distance to the layer's next turn, expert id)."""
    retain = True
    def __init__(self, cap, ctx):
        super().__init__(cap, ctx); self.key = {}; self.bucket = {}; self.heap = []
    def newkey(self, old, e): raise NotImplementedError
    def _put(self, e):
        kk = self.key[e]; b = self.bucket.get(kk)
        if b is None:
            b = self.bucket[kk] = defaultdict(set); heapq.heappush(self.heap, kk)
        b[e[0]].add(e[1])
    def _take(self, e, kk):
        b = self.bucket[kk]; s = b[e[0]]; s.discard(e[1])
        if not s: del b[e[0]]
    def use(self, e):
        old = self.key.get(e); new = self.newkey(old, e)
        if e in self.res and old != new:
            self._take(e, old); self.key[e] = new; self._put(e)
        else:
            self.key[e] = new
    def add(self, e): self.res[e] = 1; self._put(e)
    def drop(self, e):
        del self.res[e]; self._take(e, self.key[e])
        if not self.retain: del self.key[e]
    def victim(self, pinned):
        keep = []; best = None
        while self.heap:
            kk = self.heap[0]; b = self.bucket.get(kk)
            if not b:
                heapq.heappop(self.heap); self.bucket.pop(kk, None); continue
            for l in sorted(b, key=lambda x: self.ctx.turn(x, self.l), reverse=True):
                ids = [i for i in b[l] if (l, i) not in pinned]
                if ids: best = (l, min(ids)); break
            if best: break
            keep.append(heapq.heappop(self.heap))
        for kk in keep: heapq.heappush(self.heap, kk)
        return best

class Turns(Base):
    """Keys as Keyed, but age is counted in turns of the entry's own layer: a layer that has not had its
    turn in this step is not one step older. Victim = smallest (key - layer clock, -distance, id)."""
    retain = True; half = 16
    def __init__(self, cap, ctx):
        super().__init__(cap, ctx); self.key = {}; self.heap = defaultdict(list); self.last = {}
    def clock(self, step, l, order): self.step, self.l, self.order = step, l, order; self.last[l] = step
    def newkey(self, old, e): return lrfu_touch(old, self.step * KU // self.half)
    def use(self, e):
        self.key[e] = k = self.newkey(self.key.get(e), e)
        if e in self.res: heapq.heappush(self.heap[e[0]], (k, e[1]))
    def add(self, e): self.res[e] = 1; heapq.heappush(self.heap[e[0]], (self.key[e], e[1]))
    def drop(self, e):
        del self.res[e]
        if not self.retain: del self.key[e]
    def age(self, l, k): return k - self.last[l] * KU // self.half
    def victim(self, pinned):
        best = None
        for l, h in self.heap.items():
            keep = []
            while h and ((l, h[0][1]) not in self.res or self.key[(l, h[0][1])] != h[0][0] or (l, h[0][1]) in pinned):
                x = heapq.heappop(h)
                if (l, x[1]) in pinned and self.key[(l, x[1])] == x[0]: keep.append(x)
            if h:
                c = (self.age(l, h[0][0]), -self.ctx.turn(l, self.l), h[0][1])
                if best is None or c < best[0]: best = (c, (l, h[0][1]))
            for x in keep: heapq.heappush(h, x)
        return best[1] if best else None
def turns(h, keep=True): return type("T%d" % h, (Turns,), dict(half=h, retain=keep))
class TurnsLru(Turns):
    def newkey(self, old, e): return self.step
    def age(self, l, k): return k - self.last[l]

class Lfu(Keyed):
    def newkey(self, old, e): return (old or 0) + 1
class LfuCache(Lfu): retain = False
def lrfu(half, keep=True):
    class P(Keyed):
        retain = keep
        def newkey(self, old, e): return lrfu_touch(old, self.step * KU // half)
    return P

class Ema(Base):
    """The store's policy. Two integer averages of the uses of every expert, resident or not, stepped at
    each turn of the layer (one row = one turn): fast (recency) and slow (frequency).
        turn:  fast -= fast >> a;  slow -= slow >> b          (all experts of the layer)
        use:   fast += 65536;      slow += 65536
        score = w * fast + slow
    Victim = smallest score; ties: layer whose next turn is farthest, then smallest id."""
    a, b, w = 1, 5, 4
    def __init__(self, cap, ctx):
        super().__init__(cap, ctx); E = ctx.tr.E; n = ctx.tr.L
        self.f = {l: [0] * E for l in ctx.class_layers}; self.s = {l: [0] * E for l in ctx.class_layers}
        self.have = {l: set() for l in ctx.class_layers}
        self.q = {l: [] for l in ctx.class_layers}; self.low = [1 << 60] * n; self.dirty = None
    def clock(self, step, l, order):
        self.step, self.l, self.order = step, l, order; a, b = self.a, self.b
        self.f[l] = [x - (x >> a) for x in self.f[l]]; self.s[l] = [x - (x >> b) for x in self.s[l]]
        if self.dirty is not None: self._sort(self.dirty, ())
        self.dirty = l; self.fresh = False
    def use(self, e): self.f[e[0]][e[1]] += 65536; self.s[e[0]][e[1]] += 65536
    def _sort(self, l, skip):
        f, s, w = self.f[l], self.s[l], self.w
        self.q[l] = q = sorted(((w * f[i] + s[i], i) for i in self.have[l] if (l, i) not in skip), reverse=True)
        self.low[l] = q[-1][0] if q else 1 << 60
    def add(self, e): self.res[e] = 1; self.have[e[0]].add(e[1])
    def drop(self, e): del self.res[e]; self.have[e[0]].discard(e[1])
    def victim(self, pinned):
        if not self.fresh: self._sort(self.l, pinned); self.fresh = True
        m = min(self.low)
        if m == 1 << 60: return None
        turn, cur = self.ctx.turn, self.l
        l = max((x for x, v in enumerate(self.low) if v == m), key=lambda x: turn(x, cur))
        q = self.q[l]; i = q.pop()[1]; self.low[l] = q[-1][0] if q else 1 << 60
        return (l, i)
def ema(a, b, w): return type("E", (Ema,), dict(a=a, b=b, w=w))

class Lru(Base):
    def __init__(self, cap, ctx): super().__init__(cap, ctx); self.res = OrderedDict()
    def hit(self, e): self.res.move_to_end(e)
    def victim(self, pinned):
        for e in self.res:
            if e not in pinned: return e
class Fifo(Lru):
    def hit(self, e): pass
class Rand(Base):
    def __init__(self, cap, ctx):
        super().__init__(cap, ctx); self.rng = random.Random(1); self.lst = []; self.pos = {}
    def add(self, e): self.res[e] = 1; self.pos[e] = len(self.lst); self.lst.append(e)
    def drop(self, e):
        del self.res[e]; i = self.pos.pop(e); t = self.lst.pop()
        if t != e: self.lst[i] = t; self.pos[t] = i
    def victim(self, pinned):
        for _ in range(1000):
            e = self.lst[int(self.rng.random() * len(self.lst))]
            if e not in pinned: return e
        return next(x for x in self.lst if x not in pinned)
class Belady(Base):
    def __init__(self, cap, ctx): super().__init__(cap, ctx); self.nxt = {}; self.heap = []
    def use(self, e):
        n = self.ctx.next_use(e, self.order); self.nxt[e] = n
        if e in self.res: heapq.heappush(self.heap, (-n, e))
    def add(self, e): self.res[e] = 1; heapq.heappush(self.heap, (-self.nxt[e], e))
    def victim(self, pinned):
        keep = []; best = None
        while self.heap:
            n, e = heapq.heappop(self.heap)
            if e not in self.res or self.nxt[e] != -n: continue
            if e in pinned: keep.append((n, e)); continue
            best = e; break
        for x in keep: heapq.heappush(self.heap, x)
        return best
class Arc(Base):
    """Adaptive replacement: T1/T2 resident, B1/B2 ghosts, target p."""
    def __init__(self, cap, ctx):
        super().__init__(cap, ctx)
        self.t1, self.t2, self.b1, self.b2, self.p = OrderedDict(), OrderedDict(), OrderedDict(), OrderedDict(), 0
    def use(self, e): self.cur = e
    def hit(self, e):
        (self.t1 if e in self.t1 else self.t2).pop(e); self.t2[e] = 1
    def add(self, e):
        self.res[e] = 1
        if e in self.b1:
            self.p = min(self.cap, self.p + max(1, len(self.b2) // max(1, len(self.b1)))); del self.b1[e]; self.t2[e] = 1
        elif e in self.b2:
            self.p = max(0, self.p - max(1, len(self.b1) // max(1, len(self.b2)))); del self.b2[e]; self.t2[e] = 1
        else:
            self.t1[e] = 1
        while len(self.b1) > self.cap: self.b1.popitem(last=False)
        while len(self.b2) > self.cap: self.b2.popitem(last=False)
    def drop(self, e):
        del self.res[e]
        if e in self.t1: del self.t1[e]; self.b1[e] = 1
        else: del self.t2[e]; self.b2[e] = 1
    def victim(self, pinned):
        order = (self.t1, self.t2) if self.t1 and len(self.t1) > self.p else (self.t2, self.t1)
        for q in order:
            for e in q:
                if e not in pinned: return e
class Slru(Base):
    """Segmented LRU: probation + protected (80 %)."""
    def __init__(self, cap, ctx):
        super().__init__(cap, ctx); self.a, self.b = OrderedDict(), OrderedDict()
    def hit(self, e):
        if e in self.b: self.b.move_to_end(e); return
        del self.a[e]; self.b[e] = 1
        while len(self.b) > self.cap * 4 // 5:
            x, _ = self.b.popitem(last=False); self.a[x] = 1
    def add(self, e): self.res[e] = 1; self.a[e] = 1
    def drop(self, e): del self.res[e]; (self.a if e in self.a else self.b).pop(e)
    def victim(self, pinned):
        for q in (self.a, self.b):
            for e in q:
                if e not in pinned: return e
class S3(Base):
    """S3-FIFO: small queue (10 %), main queue, ghost; 2-bit counters."""
    def __init__(self, cap, ctx):
        super().__init__(cap, ctx); self.s, self.m, self.g, self.f = OrderedDict(), OrderedDict(), OrderedDict(), {}
    def hit(self, e): self.f[e] = min(3, self.f[e] + 1)
    def add(self, e):
        self.res[e] = 1; self.f[e] = 0
        if e in self.g: del self.g[e]; self.m[e] = 1
        else: self.s[e] = 1
    def drop(self, e):
        del self.res[e], self.f[e]
        if e in self.s:
            del self.s[e]; self.g[e] = 1
            while len(self.g) > self.cap: self.g.popitem(last=False)
        else: del self.m[e]
    def victim(self, pinned):
        for _ in range(4 * len(self.res) + 8):
            if self.s and (len(self.s) * 10 >= self.cap or not self.m):
                e = next(iter(self.s))
                if e in pinned: self.s.move_to_end(e)
                elif self.f[e] > 0: del self.s[e]; self.m[e] = 1; self.f[e] = 0
                else: return e
            else:
                e = next(iter(self.m))
                if e in pinned: self.m.move_to_end(e)
                elif self.f[e] > 0: self.f[e] -= 1; self.m.move_to_end(e)
                else: return e
        return next(x for x in self.res if x not in pinned)
class Stale(Base):
    """Least-stale: entries not used in the current token first (FIFO), then the farthest layer."""
    def __init__(self, cap, ctx): super().__init__(cap, ctx); self.res = OrderedDict()
    def hit(self, e): self.res.move_to_end(e); self.res[e] = self.step
    def add(self, e): self.res[e] = self.step
    def victim(self, pinned):
        best = None
        for e, s in self.res.items():
            if e in pinned: continue
            if s < self.step: return e
            d = self.ctx.turn(e[0], self.l)
            if best is None or d > best[0]: best = (d, e)
        return best[1] if best else None
def perlayer(inner):
    """Hard per-layer partition of the class; each layer runs 'inner' alone."""
    class P(Base):
        def __init__(self, cap, ctx):
            super().__init__(cap, ctx)
            n = len(ctx.class_layers); self.sub = {}
            for j, l in enumerate(ctx.class_layers):
                self.sub[l] = inner(max(1, cap // n + (1 if j < cap % n else 0)), ctx)
        def clock(self, s, l, o): self.step, self.l = s, l; self.sub[l].clock(s, l, o)
        def use(self, e): self.sub[e[0]].use(e)
        def hit(self, e): self.sub[e[0]].hit(e)
        def add(self, e): self.res[e] = 1; self.sub[e[0]].add(e)
        def drop(self, e): del self.res[e]; self.sub[e[0]].drop(e)
        def victim(self, pinned): return self.sub[self.l].victim(pinned)
        def full(self): s = self.sub[self.l]; return len(s.res) >= s.cap
    return P

POLICY = OrderedDict([("belady", Belady), ("random", Rand), ("fifo", Fifo), ("lru", Lru), ("tlru", TurnsLru), ("lfu", Lfu),
    ("lfu-cache", LfuCache), ("lrfu16", lrfu(16)), ("tlrfu16", turns(16)), ("slru", Slru), ("arc", Arc), ("s3fifo", S3), ("stale", Stale),
    ("layer-lru", perlayer(Lru)), ("layer-lrfu32", perlayer(lrfu(32))), ("ema", Ema)])
def policy(name):
    """A name of the table, or lrfu<H>, tlrfu<H>, ema<a>-<b>-<w>."""
    if name in POLICY: return POLICY[name]
    if name.startswith("ema"): return ema(*[int(x) for x in name[3:].split("-")])
    if name.startswith("tlrfu"): return turns(int(name[5:]))
    if name.startswith("lrfu"): return lrfu(int(name[4:]))
    raise SystemExit("policy %s: not one of %s, lrfu<H>, tlrfu<H>, ema<a>-<b>-<w>" % (name, " ".join(POLICY)))

# ----------------------------------------------------------------------------- simulation
class Ctx:
    def __init__(self, tr, class_layers):
        self.L, self.class_layers, self.tr = tr.L, class_layers, tr; self._nx = None
    def turn(self, l, cur):                # layer steps until layer l comes again (1..L)
        d = (l - cur) % self.L
        return d if d else self.L
    def next_use(self, e, order):
        if self._nx is None:
            self._nx = defaultdict(list)
            for o, (s, l, ids) in enumerate(batches(self.tr)):
                for i in set(ids): self._nx[(l, i)].append(o)
        v = self._nx[e]; j = bisect.bisect_right(v, order)
        return v[j] if j < len(v) else 1 << 60

def batches(tr):
    """Layer calls in order, token by token (the prompt too): (row, layer, ids)."""
    for s, row in enumerate(tr.ids):
        for l, ids in enumerate(row):
            if ids: yield (s, l, ids)

def classes(tr):
    c = OrderedDict()
    for l in range(tr.L): c.setdefault(tr.slot[l], []).append(l)
    return c

def split_budget(tr, budget):
    """Slots per class: in proportion to the bytes the class would need whole; floor, at least k+4.
    A list instead of a number gives the slots of each class (classes in order of first layer)."""
    if isinstance(budget, list): return OrderedDict(zip(classes(tr), budget))
    cl = classes(tr); tot = sum(s * len(v) for s, v in cl.items()); out = OrderedDict()
    for s, v in cl.items():
        n = budget * len(v) // tot         # the class's share of the bytes / slot bytes
        out[s] = max(min(n, len(v) * tr.E), min(tr.k + 4, len(v) * tr.E))
    return out

def simulate(tr, budget, name, log=None, per_step=None):
    cl = classes(tr); cap = split_budget(tr, budget)
    pol, of = {}, {}
    for s, layers in cl.items():
        p = policy(name)(cap[s], Ctx(tr, layers))
        for l in layers: of[l] = p
        pol[s] = p
    st = dict(hits=0, misses=0, bytes=0, phits=0, pmisses=0, pbytes=0, evict=0)
    cur = None
    for order, (step, l, ids) in enumerate(batches(tr)):
        p = of[l]; p.clock(step, l, order)
        uniq = sorted(set(ids)); pinned = set((l, i) for i in uniq)
        hit = [i for i in uniq if (l, i) in p.res]; miss = [i for i in uniq if (l, i) not in p.res]
        for i in uniq: p.use((l, i))
        for i in hit: p.hit((l, i))
        full = getattr(p, "full", None)
        for i in miss:
            if (full() if full else len(p.res) >= p.cap):
                v = p.victim(pinned)
                if v is None: st["rate"] = float("nan"); return st      # smaller than one layer's uses
                p.drop(v); st["evict"] += 1
                if log is not None: log.append(dict(t=step, l=l, ev="evict", layer=v[0], id=v[1]))
            p.add((l, i))
            if log is not None: log.append(dict(t=step, l=l, ev="read", layer=l, id=i))
        pre = "p" if step < tr.nprompt else ""
        st[pre + "hits"] += len(hit); st[pre + "misses"] += len(miss); st[pre + "bytes"] += len(miss) * tr.bytes[l]
        if per_step is not None:
            if cur is None or cur["t"] != step: cur = dict(t=step, hits=0, misses=0, bytes=0, layers=[]); per_step.append(cur)
            cur["hits"] += len(hit); cur["misses"] += len(miss); cur["bytes"] += len(miss) * tr.bytes[l]; cur["layers"].append(len(miss))
    n = st["hits"] + st["misses"]; st["rate"] = st["hits"] / n if n else 0.0
    st["tokens"] = len(tr.ids) - tr.nprompt; st["slots"] = sum(cap.values())
    return st

def simulate_prompt(tr, budget, n, chunk, after=32, naive=False):
    """A prompt of the first n rows in chunks, layer by layer, then 'after' decode rows.
    A missing expert replaces the lowest score among the layers already swept in this chunk (its own layer
    included) if its own score is higher; otherwise it only passes through. naive: plain decode rules."""
    cl = classes(tr); cap = split_budget(tr, budget); of = {}
    for s, layers in cl.items():
        p = (Lru if naive else Ema)(cap[s], Ctx(tr, layers))
        for l in layers: of[l] = p
    out = dict(chunks=[], dhits=0, dn=0); order = 0
    for a in range(0, n, chunk):
        read = touch = 0
        for l in range(tr.L):
            p = of[l]; rows = tr.ids[a:min(n, a + chunk)]
            for r in rows:
                p.clock(a, l, order); order += 1
                for i in set(r[l]): p.use((l, i))
            uniq = sorted(set(i for r in rows for i in r[l])); touch += len(uniq) * tr.bytes[l]
            for i in uniq:
                e = (l, i)
                if e in p.res: p.hit(e); continue
                read += tr.bytes[l]
                if len(p.res) < p.cap: p.add(e); continue
                if naive: p.drop(p.victim({e})); p.add(e); continue
                sc = lambda x: p.w * p.f[x[0]][x[1]] + p.s[x[0]][x[1]]
                done = [x for x in p.res if x[0] < l or (x[0] == l and x[1] < i)]
                v = min(done, key=lambda x: (sc(x), x), default=None)
                if v is not None and sc(v) < sc(e): p.drop(v); p.add(e)
            if not naive and p.dirty is not None:
                for x in cl[tr.slot[l]]: p._sort(x, ())
        out["chunks"].append((read, touch))
    for r in range(n, min(len(tr.ids), n + after)):
        for l in range(tr.L):
            p = of[l]; uniq = sorted(set(tr.ids[r][l])); pin = set((l, i) for i in uniq); p.clock(r, l, order); order += 1
            for i in uniq: p.use((l, i))
            for i in uniq:
                out["dn"] += 1
                if (l, i) in p.res: out["dhits"] += 1; p.hit((l, i)); continue
                if len(p.res) >= p.cap: p.drop(p.victim(pin))
                p.add((l, i))
    return out

# ----------------------------------------------------------------------------- figures of a trace
def expert_bytes_total(tr): return sum(b * tr.E for b in tr.bytes)
def expert_bytes_per_token(tr): return sum(b * tr.k for b in tr.bytes)

def locality(tr):
    dec = tr.ids[tr.nprompt:]; out = {}
    for lag in (1, 2, 4, 8, 16, 32, 64):
        a = n = 0
        for s in range(lag, len(dec)):
            for l in range(tr.L):
                a += len(set(dec[s][l]) & set(dec[s - lag][l])); n += len(dec[s][l])
        if n: out["lag%d" % lag] = a / n
    w = min(128, len(dec)); d = 0
    for l in range(tr.L): d += len(set(i for s in range(w) for i in dec[s][l]))
    out["distinct%d/layer" % w] = d / tr.L
    st = n = 0
    for l in range(tr.L):
        c = defaultdict(int)
        for s in range(len(dec)):
            for i in dec[s][l]: c[i] += 1
        top = sorted(c.values(), reverse=True); st += sum(top[:tr.k]); n += sum(top)
    out["static_k"] = st / n
    return out

def touched(tr, n):
    tot = c = 0
    for a in range(0, max(1, len(tr.ids) - n + 1), max(1, n)):
        for l in range(tr.L):
            u = set(i for s in range(a, min(len(tr.ids), a + n)) for i in tr.ids[s][l])
            if u: tot += len(u); c += 1
    return tot / c / tr.E

# ----------------------------------------------------------------------------- synthetic traces
# score = pop[l][e] + dom[d][l][e] + slow[l][e] + echo*[used by the token before] + Gumbel noise; the k
# largest are routed. pop, dom, slow are normal with the given sigmas (pop grows linearly with depth from pop0
# to pop1); in each domain a share 'off' of the experts gets -3.5; slow values are redrawn with probability
# 1/tau per token; the domain changes every 'every' tokens (returning at random).
GEN = {
 "q3moe-128k8":  dict(L=48, E=128, k=8, prompt=64, dec=1200, pop0=0.65, pop1=0.95, dom=0.6, slow=0.5, tau=16, echo=0.8, off=0.6,
                      every=300, doms=4, bytes=[3059712, 2654208], seed=1128, like="Qwen3-30B-A3B, Q4_K_M sizes"),
 "gptoss-128k4": dict(L=36, E=128, k=4, prompt=64, dec=1200, pop0=0.65, pop1=0.95, dom=0.6, slow=0.5, tau=16, echo=0.7, off=0.55,
                      every=300, doms=4, bytes=[13219200], seed=1204, like="gpt-oss-120b, MXFP4 sizes"),
 "dsv3-256k8":   dict(L=58, E=256, k=8, prompt=32, dec=700, pop0=0.65, pop1=0.95, dom=0.6, slow=0.6, tau=16, echo=0.8, off=0.6,
                      every=230, doms=4, bytes=[24772608], seed=1256, like="DeepSeek-V3 shape, Q4_K sizes"),
 "q35-512k10":   dict(L=60, E=512, k=10, prompt=32, dec=500, pop0=0.65, pop1=0.95, dom=0.6, slow=0.7, tau=20, echo=0.8, off=0.6,
                      every=170, doms=4, bytes=[7077888], seed=1512, like="Qwen3.5-397B-A17B shape, 4-bit sizes"),
}

def generate(g, name):
    rng = random.Random(g["seed"]); R = rng.random; log = math.log; gauss = rng.gauss
    L, E, k = g["L"], g["E"], g["k"]; T = g["prompt"] + g["dec"]
    pop = [[gauss(0, g["pop0"] + (g["pop1"] - g["pop0"]) * l / max(1, L - 1)) for _ in range(E)] for l in range(L)]
    dom = [[[gauss(0, g["dom"]) - (3.5 if R() < g["off"] else 0.0) for _ in range(E)] for _ in range(L)] for _ in range(g["doms"])]
    slow = [[gauss(0, g["slow"]) for _ in range(E)] for _ in range(L)]
    d = 0; ids = []; base = [[pop[l][e] + dom[d][l][e] + slow[l][e] for e in range(E)] for l in range(L)]
    left = g["every"]; prev = [()] * L
    for t in range(T):
        if t >= g["prompt"]:
            left -= 1
            if left == 0:
                left = g["every"]; d = (d + 1 + int(R() * (g["doms"] - 1))) % g["doms"]
                base = [[pop[l][e] + dom[d][l][e] + slow[l][e] for e in range(E)] for l in range(L)]
        row = []
        for l in range(L):
            b, sl = base[l], slow[l]
            n = E / g["tau"]; n = int(n) + (R() < n - int(n))
            for _ in range(n):
                e = int(R() * E); v = gauss(0, g["slow"]); b[e] += v - sl[e]; sl[e] = v
            sc = [(x - log(-log(R() or 1e-300)), e) for e, x in enumerate(b)]
            for e in prev[l]: sc[e] = (sc[e][0] + g["echo"], e)
            row.append(tuple(e for _, e in heapq.nlargest(k, sc))); prev[l] = row[-1]
        ids.append(row)
    head = dict(name=name, model=g["like"], source="synthetic, cachesim.py gen --spec " + name, license="as this repository",
                synthetic=True, layers=list(range(L)), n_expert=E, k=k, n_prompt=g["prompt"], extents=3,
                expert_bytes=[g["bytes"][l % len(g["bytes"])] for l in range(L)], params={a: b for a, b in g.items() if a != "like"})
    return Trace(head, ids)

def import_csv(path, name, source, lic):
    rows = defaultdict(list); ph = {}; eb = {}; head = {}
    for ln in open(path):
        if ln.startswith("# layer="):
            f = dict(x.split("=") for x in ln[2:].split()); eb[int(f["layer"])] = int(f["expert_bytes"])
        elif ln.startswith("# model="):
            head = dict(x.split("=", 1) for x in ln[2:].split())
        elif ln[0] not in "#t":
            a = ln.split(","); rows[(int(a[2]), int(a[3]))].append((int(a[4]), int(a[5]))); ph[int(a[2])] = int(a[1])
    steps = sorted(ph); layers = sorted(l for l in eb if eb[l])
    ids = [[tuple(i for _, i in sorted(rows.get((s, l), []))) for l in layers] for s in steps]
    h = dict(name=name, model=os.path.basename(head.get("model", "")), source=source, license=lic, synthetic=False, layers=layers,
             n_expert=int(head["n_expert"]), k=int(head["n_expert_used"]), n_prompt=sum(1 for s in steps if ph[s] == 0),
             extents=3, expert_bytes=[eb[l] for l in layers])
    return Trace(h, ids)

# ----------------------------------------------------------------------------- overlap model
def speed(tr, per_step, disk, compute, share, lat=150e-6):
    """Seconds per decode token. Reads of a layer start when its router is known; resident experts are
    computed meanwhile; each missing expert is computed when its bytes are there (one queue, disk rate)."""
    L, k = tr.L, tr.k; out = dict(none=0.0, layer=0.0, full=0.0); n = 0
    a = compute * (1 - share) / L; ce = compute * share / L / k
    for s in per_step:
        if s["t"] < tr.nprompt: continue
        n += 1; io = 0.0
        for l, m in enumerate(s["layers"]):
            r = (lat + m * tr.bytes[l] / disk) if m else 0.0; io += r
            out["none"] += a + r + ce * k
            done = (k - m) * ce                          # hits first, then misses as they land
            for j in range(1, m + 1):
                done = max(done, lat + j * tr.bytes[l] / disk) + ce
            out["layer"] += a + done
        out["full"] += max(compute, io)
    return {x: y / n for x, y in out.items()}

# ----------------------------------------------------------------------------- command line
def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("cmd"); ap.add_argument("traces", nargs="*")
    ap.add_argument("--frac", default="3,6,12.5,25,50"); ap.add_argument("--mib"); ap.add_argument("--policy")
    ap.add_argument("--events"); ap.add_argument("--slots"); ap.add_argument("--per-step"); ap.add_argument("--spec"); ap.add_argument("--out")
    ap.add_argument("--name"); ap.add_argument("--source", default=""); ap.add_argument("--license", default="")
    ap.add_argument("--disk", type=float, default=2.0); ap.add_argument("--compute", type=float, default=77.0)
    ap.add_argument("--prompt", type=int, default=512); ap.add_argument("--chunk", type=int, default=256)
    ap.add_argument("--expert-share", type=float, default=0.55); ap.add_argument("--json", action="store_true")
    a = ap.parse_args()
    if a.cmd == "gen":
        t = generate(GEN[a.spec], a.spec); t.save(a.out); return
    if a.cmd == "import-csv":
        import_csv(a.traces[0], a.name, a.source, a.license).save(a.out); return
    for path in a.traces:
        tr = Trace.load(path)
        if a.cmd == "info":
            print("%s: %s\n  %d layers, %d experts, top %d, %d prompt + %d decode tokens, %s" % (path, tr.head["model"], tr.L, tr.E,
                  tr.k, tr.nprompt, len(tr.ids) - tr.nprompt, "synthetic" if tr.head["synthetic"] else "recorded"))
            print("  experts %.0f MiB, one token cycle %.0f MiB" % (expert_bytes_total(tr) / 2**20, expert_bytes_per_token(tr) / 2**20))
            print("  " + "  ".join("%s=%.3f" % x for x in locality(tr).items()))
        elif a.cmd == "table":
            sizes = [float(x) * 2**20 for x in a.mib.split(",")] if a.mib else [expert_bytes_total(tr) * float(x) / 100 for x in a.frac.split(",")]
            names = a.policy.split(",") if a.policy else list(POLICY)
            print("%s  (decode hit %%; experts %.0f MiB, token cycle %.0f MiB)" % (os.path.basename(path), expert_bytes_total(tr) / 2**20, expert_bytes_per_token(tr) / 2**20))
            print("%-14s" % "MiB" + "".join("%9.0f" % (x / 2**20) for x in sizes))
            for p in names:
                print("%-14s" % p + "".join("%9.1f" % (100 * simulate(tr, int(x), p)["rate"]) for x in sizes), flush=True)
        elif a.cmd in ("run", "check"):
            log, per = [], []
            size = [int(x) for x in a.slots.split(",")] if a.slots else int(float(a.mib) * 2**20)
            st = simulate(tr, size, a.policy or "ema", log, per)
            if a.cmd == "check":
                bad = 0; n = 0
                with open(a.events) as f:
                    for n, (ln, want) in enumerate(zip(f, log), 1):
                        got = json.loads(ln)
                        if any(got.get(x) != want[x] for x in ("t", "l", "ev", "layer", "id")):
                            print("event %d: engine %s, rules %s" % (n, ln.strip(), json.dumps(want))); bad = 1; break
                    else:
                        rest = sum(1 for _ in f)
                        if n != len(log) or rest: print("events: engine %d, rules %d" % (n + rest, len(log))); bad = 1
                print("differs" if bad else "same: %d events" % n); sys.exit(bad)
            if a.events:
                with open(a.events, "w") as f: f.writelines(json.dumps(x) + "\n" for x in log)
            if a.per_step:
                with open(a.per_step, "w") as f: f.writelines(json.dumps(x) + "\n" for x in per)
            print(json.dumps(st) if a.json else "  ".join("%s=%s" % x for x in st.items()))
        elif a.cmd == "prompt":
            for naive in (False, True):
                o = simulate_prompt(tr, int(float(a.mib) * 2**20), a.prompt, a.chunk, naive=naive)
                print("%s %s: chunks read/touched MiB %s; first 32 decode rows hit %.1f %%" % (os.path.basename(path), "lru  " if naive else "sweep",
                      " ".join("%.0f/%.0f" % (x / 2**20, y / 2**20) for x, y in o["chunks"]), 100 * o["dhits"] / max(1, o["dn"])))
        elif a.cmd == "sweep":
            print(os.path.basename(path), "share of the experts of a layer touched by n tokens:",
                  "  ".join("%d:%.2f" % (n, touched(tr, n)) for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if n <= len(tr.ids)))
        elif a.cmd == "speed":
            per = []; st = simulate(tr, int(float(a.mib) * 2**20), a.policy or "ema", None, per)
            v = speed(tr, per, a.disk * 1e9, a.compute / 1e3, a.expert_share)
            print("%s hit %.1f %%, %.1f MiB/token, tok/s: no overlap %.2f, within the layer %.2f, bound max(c,io) %.2f" % (
                  os.path.basename(path), 100 * st["rate"], st["bytes"] / st["tokens"] / 2**20, 1 / v["none"], 1 / v["layer"], 1 / v["full"]))
        elif a.cmd == "dump":
            for s, row in enumerate(tr.ids):
                for l, v in enumerate(row): print(s, "p" if s < tr.nprompt else "d", tr.head["layers"][l], *v)
        else:
            raise SystemExit("unknown command " + a.cmd)

if __name__ == "__main__":
    main()
