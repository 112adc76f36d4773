# The example programs for Node: their selftests, and against a server of the embedded model. What needs a browser is left out where there is
# none (CHROMIUM=path).
. tests/cli/harness

touch "$dir/out" "$dir/err"
if ! command -v node >/dev/null || ! node -e 'process.exit(process.versions.node.split(".")[0] < 18 ? 1 : 0)'; then
    skip "the examples" "node 18 or newer is not installed (apt-get install nodejs)"
    done_testing
    exit
fi
export CHROMIUM="${CHROMIUM:-/usr/bin/chromium}"

selftest() { # selftest NAME: its counts are added
    timeout $limit node "examples/$1.mjs" --selftest >"$dir/out" 2>"$dir/err"
    status=$?
    set -- "$1" $(tail -n 1 "$dir/out" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p')
    grep '^skip' "$dir/out"
    passed=$((passed + ${2:-0})) skipped=$((skipped + ${4:-0}))
    [ "$status" -eq 0 ] && [ "${3:-1}" -eq 0 ] || fail "$1 --selftest" "exit status $status"
}
selftest memory
selftest browser-agent

if ! command -v curl >/dev/null; then
    skip "with a server" "curl is not installed"
    done_testing
    exit
fi
patience=$limit
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
starts "$ember" --ctx 4096
usual='The boat leaves at nine. The boat is on time.' news='Zora hid 7 brass keys in the quince.'
printf '%s\n' "$usual" "$usual" "The boat leaves at nine. $news" "$news" >"$dir/talk"
timeout $limit node examples/memory.mjs "$dir/notes" --server "$at" <"$dir/talk" >"$dir/out" 2>"$dir/err"
status=$?
is "memory of a conversation" 0 "^\{\"text\":\"Zora hid 7 brass keys in the quince\.\",\"bits\":[0-9.]+,\"a_character\":[0-9.]+,\"kept\":true\}$" ""
[ "$(wc -l <"$dir/out")" = 7 ] && tail -n 1 "$dir/out" | grep -q '"kept":false' && pass || fail "memory of a conversation" "not seven sentences, the last one known"
[ "$(wc -l <"$dir/notes")" = 1 ] && grep -q "^{\"text\":\"$news\"" "$dir/notes" && pass || fail "notes" "$(cat "$dir/notes")"
curl -s "$at/stoker/stats" | grep -q '"cached_tokens":[1-9]' && pass || fail "memory of a conversation" "computes all of each prompt"
if [ -x "$CHROMIUM" ]; then
    cat >"$dir/page.html" <<'EOF'
<!DOCTYPE html><html lang=en><title>Lamp works</title><a href="#a">Prices</a> <label>Name <input></label>
<label>Glass <select><option>Clear</option><option>Amber</option></select></label> <label><input type=checkbox> With oil</label>
<button onclick="document.body.append(document.createElement('button'))">More</button> <button onclick="confirm('Sure?')">Ask</button> <label>Town <input list=towns></label><datalist id=towns><option>Oslo</datalist> <button disabled>Pay</button>
EOF
    : >"$dir/actions"
    for round in $(seq 20); do # the model may say soon that it is done
        timeout $limit node examples/browser-agent.mjs "file://$dir/page.html" "Order lamp $round." --server "$at" --steps 20 >>"$dir/actions" 2>"$dir/err"
        status=$?
        [ "$status" = 0 ] || [ "$status" = 3 ] || break
        [ "$(wc -l <"$dir/actions")" -lt 20 ] || break
    done
    { [ "$status" = 0 ] || [ "$status" = 3 ]; } && [ "$(wc -l <"$dir/actions")" -ge 20 ] && pass ||
        fail "browser agent" "exit status $status: $(tail -n 3 "$dir/err") $(tail -n 2 "$dir/actions")"
else
    skip "browser agent" "$CHROMIUM is absent (apt-get install chromium)"
fi
ends

done_testing
