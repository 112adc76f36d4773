#!/bin/sh
# Outputs of constrained walks, judged by a validator that is not ours: python3-jsonschema (apt) with its format checker.
#
#   sh tests/schema_validate.sh [N]      N walks a schema (default 1000); needs build/tests/schema_cases and ../shared
#
# Not part of make check, which runs no Python. The last line is "N passed, N failed"; exit status 1 on a failure.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
shared=${STOKER_SHARED:-../shared}
python3 -c 'import jsonschema' 2>/dev/null || {
    echo "python3-jsonschema is absent: apt install python3-jsonschema" >&2
    exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$build/tests/schema_cases" --walks "${1:-1000}" --out "$folder" "$shared/schema_cases" || echo "the walks themselves failed"
python3 - "$folder" <<'END'
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


passed = failed = 0
for path in sorted(glob.glob(sys.argv[1] + "/*.walks.json")):
    doc = json.load(open(path))
    kind = jsonschema.validators.validator_for(doc["schema"], jsonschema.Draft202012Validator)
    validator = jsonschema.validators.extend(kind, {"pattern": pattern})(
        doc["schema"], format_checker=kind.FORMAT_CHECKER)
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
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
END
