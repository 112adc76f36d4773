#!/bin/sh
# Outputs under the schemas of the test data (schemas.tar.xz), checked by an independent validator: python3-jsonschema (apt) with its format
# checker.
#
#   sh tests/schema_validate.sh [N]      N random walks over the masks a schema (default 1000), and 20 samples of a model with random
#                                        weights at temperature 2 (tools/mkgguf.py, which needs numpy)
#
# Needs build/tests/schema_cases and build/stoker. Not part of make check, which runs no Python. The last line is
# "N passed, N failed"; exit status 1 on a failure.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
# python_with MODULE: the first Python that has it
python_with() {
    for p in python3 /usr/bin/python3; do
        ! "$p" -c "import $1" 2>/dev/null || { echo "$p"; return; }
    done
    echo "python3-$1 is absent: apt install python3-$1" >&2
    exit 1
}
judge=$(python_with jsonschema)
maker=$(python_with numpy)
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
"$build/tests/schema_cases" --walks "${1:-1000}" --out "$folder" || echo "the walks themselves failed"

"$maker" -B tools/mkgguf.py --shape tiny-moe --tokenizer models/ember/ember.gguf "$folder/random.gguf" >"$folder/log" 2>&1
"$build/stoker" serve "$folder/random.gguf" --port 0 --parallel 5 --ctx 4096 --memory 2G --cache-ram 16M >"$folder/out" 2>"$folder/log" &
pid=$!
for _ in $(seq 300); do
    url=$(sed -n 's/^listening on //p' "$folder/out")
    [ -z "$url" ] || break
    sleep 0.1
done
[ -n "$url" ] || { tail -n 3 "$folder/log"; exit 1; }
python3 - "$folder" "$url" <<'END'
import glob, json, sys, urllib.error, urllib.request

for path in sorted(glob.glob(sys.argv[1] + "/*.walks.json")):
    schema, text = json.load(open(path))["schema"], []
    for seed in (1, 2, 3, 4):
        # four lengths, so that the limit is met at different places; a text may have to be longer than any of them
        for limit in (60 * seed, 400, 3000):
            body = {"messages": [{"role": "user", "content": "Say something."}], "n": 5, "seed": seed, "temperature": 2,
                    "top_p": 1, "top_k": 0, "min_p": 0, "max_tokens": limit, "close_at_limit": True,
                    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}}
            request = urllib.request.Request(sys.argv[2] + "/v1/chat/completions", json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            try:
                answer = json.load(urllib.request.urlopen(request, timeout=600))
                text += [c["message"]["content"] for c in answer["choices"]]
                break
            except urllib.error.HTTPError as e:
                why = e.read().decode()
        else:
            print(f"{path.rsplit('/', 1)[1]}: no sample: {why}")
    json.dump({"schema": schema, "text": text}, open(path.replace(".walks.", ".samples."), "w"))
END
kill "$pid" && wait "$pid" || true
pid=

"$judge" - "$folder" <<'END'
import glob, json, re, sys, jsonschema

# Patterns are ECMA-262's, where digits and word characters are ASCII; Python's are not.
ASCII = {"d": "0-9", "w": "A-Za-z0-9_"}


def python_pattern(ecma):
    out, inside = "", False
    for part in re.findall(r"\\.|.", ecma, re.S):
        name = part[1].lower() if len(part) == 2 else ""
        if name in ASCII:
            if part[1].isupper() and inside:
                raise ValueError("a negated class inside a class: " + ecma)
            out += ASCII[name] if inside else "[" + "^" * part[1].isupper() + ASCII[name] + "]"
            continue
        inside = part == "[" or (inside and part != "]")
        out += part
    return out


def pattern(validator, want, value, schema):
    if validator.is_type(value, "string") and not re.search(python_pattern(want), value):
        yield jsonschema.ValidationError(f"{value!r} does not match {want!r}")


passed = failed = samples = 0
for path in sorted(glob.glob(sys.argv[1] + "/*.walks.json")) + sorted(glob.glob(sys.argv[1] + "/*.samples.json")):
    doc = json.load(open(path))
    kind = jsonschema.validators.validator_for(doc["schema"], jsonschema.Draft202012Validator)
    validator = jsonschema.validators.extend(kind, {"pattern": pattern})(
        doc["schema"], format_checker=kind.FORMAT_CHECKER)
    if path.endswith(".samples.json"):
        samples += len(doc["text"])
        failed += len(doc["text"]) != 20
    nullable = '"nullable"' in json.dumps(doc["schema"])
    for text in doc["text"]:
        try:
            value = json.loads(text)
            if not (nullable and value is None):
                validator.validate(value)
            passed += 1
        except (ValueError, jsonschema.ValidationError) as e:
            failed += 1
            if failed <= 20:
                print(f"{path.rsplit('/', 1)[1]}: {str(e).splitlines()[0]}: {text[:300]}")
print(f"{samples} of the texts are a model's")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
END
