# Messages of serve when it starts.
. tests/cli/harness

touch "$dir/out" "$dir/err"
command -v curl >/dev/null || {
    skip "serve" "curl is not installed"
    done_testing
    exit
}
# how a line of the log begins
log='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z stoker:'
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT

# starts_once ARGUMENT...: serve listens, is healthy, and ends when asked to
starts_once() {
    : >"$dir/out" # not what the last one said
    "$stoker" serve --port 0 --memory min --threads 1 "$@" >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for 60 grep -q '^listening on ' "$dir/out" || fail "serve $*" "does not listen"
    at=$(sed 's/^listening on //' "$dir/out")
    wait_for 60 curl -sf -o /dev/null "$at/health" || fail "serve $*" "is not healthy"
    curl -s "$at/v1/models" >"$dir/ignored"
    curl -s "$at/metrics" >"$dir/metrics"
    curl -s "$at/v1/embeddings" -d '{}' >"$dir/embeddings"
    kill -TERM $pid
    wait $pid
    status=$?
    pid=
}

starts_once
is "serve" 0 "^listening on http://127\.0\.0\.1:[0-9]+$" "$log req_[A-Za-z0-9]+ GET /v1/models 200 "
lines=$(grep -Ec "$log"' plan: (context 1024, 1 sequence, chunks of 16 rows, no drafts; predicted: a prompt of 1024 tokens in [0-9.]+ s, then [0-9.]+ tokens/s; rates are assumed, stoker plan --measure measures them$|memory [0-9.]+ MiB planned of [0-9.]+ MiB that --memory allows; [0-9]+ of 96 experts held, |given up: 1 sequence instead of 4 \(--parallel 4 --memory [0-9]+MiB\); 0 B instead of 512\.0 MiB for prefixes \(--cache-ram 512M --memory [0-9]+MiB\); chunks of 16 rows instead of 512 \(--chunk 512 --memory [0-9]+MiB\); drafts \(--draft ngram --memory [0-9]+MiB\); experts stream \(not with --memory [0-9]+MiB\)$)' "$dir/err")
[ "$lines" -eq 3 ] && pass || fail "serve: the plan" "$lines of its 3 lines: $(grep plan: "$dir/err")"
tail -n 1 "$dir/err" | grep -Eq "$log stopped; requests answered: [1-9][0-9]*$" && pass || fail "serve" "its last line is $(tail -n 1 "$dir/err")"
grep -Eq '(/health|/metrics) 200' "$dir/err" && fail "serve" "logs what is asked every few seconds" || pass
grep -q warning "$dir/err" && fail "serve" "warns of what nobody gave" || pass
# The specification's list of metrics is what is told, that of --mcp apart; joules are a comment where nothing counts them.
sed -nE 's/^# (TYPE )?stoker_([a-z_]+).*/\2/p' "$dir/metrics" | sort -u >"$dir/told"
sed -n '/^`\/metrics`, all with/,/^$/p' docs/spec/server.md | grep -o '`[a-z_]*[`{]' | tr -d '`{' | grep -vxe mcp_calls_total -e stoker_ | sort -u >"$dir/listed"
[ -s "$dir/told" ] && cmp -s "$dir/told" "$dir/listed" && pass || fail "/metrics" "the specification has another list: $(diff "$dir/listed" "$dir/told")"
grep -q '"type": *"not_supported_error"' "$dir/embeddings" && grep -Eq 'POST /v1/embeddings 501 .*: not_supported_error$' "$dir/err" && pass ||
    fail "what is not supported" "the log says $(grep embeddings "$dir/err"), the client gets $(cat "$dir/embeddings")"
# what the plan offers brings back what it gave up
grep -o '[(]\(not with \|\)--[^)]*[)]' "$dir/err" | sed 's/not with //' | tr -d '()' >"$dir/offers"
while read -r offer; do
    : >"$dir/err" # not what the last one said
    # shellcheck disable=SC2086 # flags
    : >"$dir/out" # not what the last one said
    "$stoker" serve --port 0 --threads 1 $offer >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for 60 grep -Eq "plan: (given up|nothing is)" "$dir/err" || fail "$offer" "no plan"
    kill -TERM $pid
    wait $pid
    pid=
    lost="(${offer%% --memory*}"
    [ "${offer#--memory}" = "$offer" ] || lost="(not with"
    grep -Fq -e "$lost" "$dir/err" && fail "$offer" "does not bring it back" || pass
done <"$dir/offers"
[ "$(wc -l <"$dir/offers")" -eq 5 ] && pass || fail "serve: the plan" "does not make five offers"
starts_once --ctx 2000
is "serve with a context longer than trained" 0 "^listening on " "$log warning: .*trained on 1024 positions, the context has 2000: "
starts_once --cache-ram 0
is "serve without a cache" 0 "^listening on " "$log req_"

# the plan of a server is known beforehand, and what does not fit is told before an address
plan_served() { # of a server that runs with the defaults: each part's bytes
    : >"$dir/out"
    "$stoker" serve --port 0 >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for 60 grep -q '^listening on ' "$dir/out" || fail "serve" "does not listen"
    at=$(sed 's/^listening on //' "$dir/out")
    wait_for 60 curl -sf -o "$dir/plan" "$at/stoker/plan" || fail "serve" "is not healthy"
    kill -TERM $pid
    wait $pid
    pid=
    tr '{' '\n' <"$dir/plan" | sed -n 's/.*"name":"\([a-z_]*\)","bytes":\([0-9]*\).*/\1 \2/p' | sort
}
plan_served >"$dir/served"
"$stoker" plan --serve --json | sed 's/.*"parts":{\([^}]*\)}.*/\1/' | tr ',' '\n' | tr -d '"' | tr ':' ' ' | sort >"$dir/planned"
same=$(grep -v '^slack ' "$dir/planned" | grep -Fxc -f "$dir/served")
[ "$same" -ge 15 ] && [ "$same" -eq "$(grep -vc '^slack ' "$dir/planned")" ] && pass ||
    fail "plan --serve" "is another plan: $(diff "$dir/planned" "$dir/served")"
# Where everything but drafts has its place they take some from known prefixes that nobody asked for, which is not told as given up.
run plan --serve --threads 1 --memory max --json
whole=$(sed -n 's/.*"whole":\([0-9]*\).*/\1/p' "$dir/out")
of_part() { # of_part PART FLAG...: its bytes in the plan of such a server
    part=$1
    shift
    "$stoker" plan --serve --threads 1 --memory "$whole" --json "$@" | sed -n "s/.*\"$part\":\([0-9]*\).*/\1/p"
}
[ "$(of_part prefix)" -lt "$(of_part prefix --draft off)" ] && [ "$(of_part logits)" -gt "$(of_part logits --draft off)" ] && pass ||
    fail "drafts beside prefixes" "have no place"
run plan --serve --threads 1 --memory "$whole"
is "prefixes beside drafts, for people" 0 "." ""
grep -q '^to fit' "$dir/out" && fail "prefixes beside drafts, for people" "$(grep '^to fit' "$dir/out")" || pass
# Roofs: measured where the budget has room for it, and then figures are beside them.
roofs_take() { # roofs_take WHAT MIB: it says that measuring takes so much; more only where four times the machine's caches may be more
    is "$1" 0 "^listening on " "$log warning: the page shows no roofs: measuring what this machine does at most takes [0-9.]+ [MG]iB of memory$"
    caches=$(cat /sys/devices/system/cpu/cpu[0-9]*/cache/index*/size 2>/dev/null | awk '{ kib += $1 } END { print 4 * kib / 1024 }')
    sed -n 's/.* at most takes \([0-9.]*\) \([MG]\)iB of memory$/\1 \2/p' "$dir/err" |
        awk -v least="$2" -v caches="$caches" '{ mib = $1 * ($2 == "G" ? 1024 : 1); right = mib == least || (mib > least && mib <= caches) } END { exit !right }' &&
        pass || fail "$1" "not $2 MiB: $(grep roofs "$dir/err")"
}
starts_once --roofs on
roofs_take "serve --roofs without room" 384
starts_once --roofs on --threads 64 --memory 500M
roofs_take "serve --roofs, 8 MiB a thread" 512
# Without the flag that of memory is measured when somebody looks at the page while the engine is idle, not before; and not where the
# budget has no room for it, or nobody wants it.
roof_seen() { # roof_seen SECONDS: among the page's figures within that time
    curl -sN --max-time "$1" "$at/stoker/events" | grep -qm1 '"memory_roof_mbps":[0-9.]'
}
starts --memory 2G
sleep 1.5 # longer than a page would look
curl -s "$at/stoker/stats" >"$dir/stats"
grep -q '"memory_roof_mbps":null,' "$dir/stats" && pass || fail "a roof that nobody looked for" "$(cat "$dir/stats")"
if roof_seen 110; then # in less than two seconds, if nothing else runs
    curl -s "$at/stoker/stats" >"$dir/stats" && grep -Eq '"memory_roof_mbps":[0-9.]+,"drive_roof_mbps":null' "$dir/stats" && pass ||
        fail "the roof of an idle server" "is gone: $(cat "$dir/stats")"
else
    fail "the roof of an idle server" "is not measured"
fi
curl -s "$at/v1/completions" -d '{"prompt":"Once","max_tokens":8,"ignore_eos":true}' | grep -q '"completion_tokens":8' && pass || fail "behind the roof" "no answer"
ends
for flags in "--memory 2G --roofs off" "--memory 2G --no-page" "--memory min"; do
    # shellcheck disable=SC2086
    starts $flags
    roof_seen 4 && fail "serve $flags" "measures a roof" || pass
    ends
done
: >"$dir/out" # not what the last one said
"$stoker" serve --port 0 --memory 1G --threads 1 --roofs on >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for 60 grep -q '^listening on ' "$dir/out" || fail "serve --roofs on" "does not listen"
at=$(sed 's/^listening on //' "$dir/out")
wait_for 60 curl -sf -o "$dir/stats" "$at/stoker/stats" || fail "serve --roofs on" "is not healthy"
grep -Eq '"memory_mbps":null,"memory_roof_mbps":[0-9.]+,"drive_roof_mbps":null' "$dir/stats" && pass || fail "roofs before an answer" "$(cat "$dir/stats")"
"$stoker" serve --port "${at##*:}" --memory min >"$dir/second" 2>&1
grep -Eq "cannot listen on 127\.0\.0\.1 port ${at##*:}: Address already in use; another program has it: --port N takes another" "$dir/second" &&
    pass || fail "a port that is taken" "$(cat "$dir/second")"
sleep 0.5 # figures are of half a second or more
curl -s "$at/v1/completions" -d '{"prompt":"Once","max_tokens":64,"ignore_eos":true}' >"$dir/ignored"
curl -s "$at/stoker/stats" >"$dir/stats"
grep -Eq '"memory_mbps":[0-9.]+,"memory_roof_mbps":[0-9.]+' "$dir/stats" && pass || fail "memory behind an answer" "$(cat "$dir/stats")"
kill -TERM $pid
wait $pid
pid=
# Where experts come from the drive its roof is measured too.
starts --memory 1G --slots 24 --roofs on
curl -s "$at/stoker/stats" >"$dir/stats"
grep -Eq '"memory_roof_mbps":[0-9.]+,"drive_roof_mbps":[0-9]*[1-9]' "$dir/stats" && pass || fail "the roof of the drive" "$(cat "$dir/stats")"
ends
# What the layer that drafts takes is in the plan that is told.
starts_once "${BUILD:-build}/data/golden/glm4moe.gguf" --draft mtp
grep -Eq "$log plan: memory .* of 12 experts held, [^;]*; of which the layer that drafts has 6, beside 52\.6 KiB of weights; " "$dir/err" && pass ||
    fail "serve --draft mtp: the plan" "$(grep 'plan: memory' "$dir/err")"
# Drafts are counted, in the answer and in the metrics.
: >"$dir/out"
"$stoker" serve --port 0 --memory min --threads 1 --draft ngram >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for 60 grep -q '^listening on ' "$dir/out" || fail "serve --draft ngram" "does not listen"
at=$(sed 's/^listening on //' "$dir/out")
wait_for 60 curl -sf -o /dev/null "$at/health" || fail "serve --draft ngram" "is not healthy"
curl -s "$at/v1/completions" -d '{"prompt":"Once","max_tokens":64,"ignore_eos":true,"temperature":0}' >"$dir/answer"
grep -Eq '"draft_n":[1-9][0-9]*,"draft_n_accepted":[1-9]' "$dir/answer" && ! grep -q prediction_tokens "$dir/answer" && pass ||
    fail "timings with drafts" "$(cat "$dir/answer")"
# What is predicted of an answer is drafted, and changes nothing of it; what is no prediction is refused by name.
chat='"messages":[{"role":"user","content":"Write a story."}],"max_tokens":24,"seed":5'
content() { sed 's/.*"message":{"role":"assistant","content":\("[^}]*"\),"refusal".*/\1/' "$1"; }
curl -s "$at/v1/chat/completions" -d "{$chat}" >"$dir/answer"
said=$(content "$dir/answer")
curl -s "$at/v1/chat/completions" -d "{$chat,\"prediction\":{\"type\":\"content\",\"content\":[{\"type\":\"text\",\"text\":$said}]}}" >"$dir/again"
[ -n "$said" ] && [ "$said" = "$(content "$dir/again")" ] && grep -Eq '"accepted_prediction_tokens":[0-9]{2},' "$dir/again" && pass ||
    fail "a prediction" "$(cat "$dir/answer" "$dir/again")"
# One with another word in its middle: what is refused of it is told, and the answer goes on with its end.
edited=$(printf '%s\n' "$said" | sed 's/\(.\{30\}[A-Za-z]* \)[A-Za-z]*/\1xylophone/')
curl -s "$at/v1/chat/completions" -d "{$chat,\"prediction\":{\"type\":\"content\",\"content\":$edited}}" >"$dir/again"
[ "$said" != "$edited" ] && [ "$said" = "$(content "$dir/again")" ] &&
    grep -Eq '"accepted_prediction_tokens":[1-9][0-9]*,"rejected_prediction_tokens":[1-9]' "$dir/again" && pass ||
    fail "a prediction with another word" "$edited: $(cat "$dir/again")"
# A stop string in the middle of drafts that hold ends the answer where it would end without them.
stop=$(printf '%s\n' "$said" | sed 's/^.\{30\}[A-Za-z]* \([A-Za-z]*\).*/\1/')
curl -s "$at/v1/chat/completions" -d "{$chat,\"stop\":\"$stop\"}" >"$dir/answer"
curl -s "$at/v1/chat/completions" -d "{$chat,\"stop\":\"$stop\",\"prediction\":{\"type\":\"content\",\"content\":$said}}" >"$dir/again"
shorter=$(content "$dir/answer")
[ ${#shorter} -gt 20 ] && [ ${#shorter} -lt ${#said} ] && [ "$shorter" = "$(content "$dir/again")" ] && grep -q '"finish_reason":"stop"' "$dir/again" &&
    grep -Eq '"accepted_prediction_tokens":[1-9]' "$dir/again" && pass || fail "a prediction and a stop string" "$stop: $(cat "$dir/answer" "$dir/again")"
# What held behind it is not in the answer, and is not counted.
count() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$dir/again"; } # count NAME
[ "$(count accepted_prediction_tokens)" -le "$(count completion_tokens)" ] && [ "$(count draft_n_accepted)" -le "$(count predicted_n)" ] && pass ||
    fail "drafts behind a stop string" "$(cat "$dir/again")"
# Of a long answer that is predicted whole, all tokens before it but the first are drafts, whatever was computed behind it.
long=$(printf '%s\n' "$chat" | sed 's/"max_tokens":24/"max_tokens":120/')
curl -s "$at/v1/chat/completions" -d "{$long}" >"$dir/answer"
curl -s "$at/v1/chat/completions" -d "{$long,\"stop\":\"$stop\",\"prediction\":{\"type\":\"content\",\"content\":$(content "$dir/answer")}}" >"$dir/again"
[ "$(content "$dir/again")" = "$shorter" ] && [ "$(count draft_n)" -ge "$(count completion_tokens)" ] &&
    [ "$(count accepted_prediction_tokens)" -eq $(($(count completion_tokens) - 1)) ] && [ "$(count draft_n_accepted)" -eq $(($(count completion_tokens) - 1)) ] && pass ||
    fail "drafts before a stop string" "$(cat "$dir/again")"
for bad in '"x"' '{"content":"x"}' '{"type":"content"}' '{"type":"content","content":5}' '{"type":"content","content":[{"type":"image_url"}]}' \
    '{"type":"content","content":[{"type":"text"}]}' '{"type":"text","content":"x"}'; do
    curl -s "$at/v1/chat/completions" -d "{$chat,\"prediction\":$bad}" >"$dir/answer"
    grep -q '"param":"prediction' "$dir/answer" && pass || fail "a prediction that is $bad" "$(cat "$dir/answer")"
done
{ printf '{%s,"prediction":{"type":"content","content":"' "$chat"; head -c 3000000 /dev/zero | tr '\0' a; printf '"}}'; } >"$dir/body"
curl -s "$at/v1/chat/completions" -d @"$dir/body" >"$dir/again"
[ "$said" = "$(content "$dir/again")" ] && pass || fail "a prediction of 3 MB" "$(head -c 600 "$dir/again")"
# Requests and the engine's thread tokenise by turns, with texts of many lengths: the memory of requests is theirs (below, by the exit).
for i in 1 2 3; do
    { printf '{%s,"prediction":{"type":"content","content":"' "$chat"; head -c 40000 /dev/zero | tr '\0' a; printf '"}}'; } >"$dir/body"
    curl -s "$at/v1/chat/completions" -d @"$dir/body" >"$dir/again"
    value="{\"number $i\":\"xq-zz-${i}7919-qwrtyplkjhgfdsmnbvcxz\"}"
    curl -s "$at/v1/chat/completions" -d "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":60,\"temperature\":0,
        \"prediction\":{\"type\":\"content\",\"content\":\"something else\"},\"response_format\":{\"type\":\"json_schema\",
        \"json_schema\":{\"name\":\"x\",\"schema\":{\"const\":$value}}}}" >"$dir/answer"
    grep -q "xq-zz-${i}7919-qwrtyplkjhgfdsmnbvcxz" "$dir/answer" &&
        grep -Eq '"accepted_prediction_tokens":0,"rejected_prediction_tokens":[0-9].*"draft_n":[1-9][0-9]*,"draft_n_accepted":[1-9]' "$dir/answer" &&
        pass || fail "a schema beside a prediction" "$(cat "$dir/answer")"
done
curl -s "$at/metrics" >"$dir/metrics"
grep -q '^stoker_drafted_tokens_total [1-9]' "$dir/metrics" && grep -q '^stoker_accepted_tokens_total [1-9]' "$dir/metrics" && pass ||
    fail "metrics with drafts" "$(grep drafted "$dir/metrics")"
curl -s "$at/stoker/stats" >"$dir/answer"
grep -Eq '"drafted_tokens":[1-9][0-9]*,"accepted_tokens":[1-9]' "$dir/answer" && pass || fail "figures of the panel with drafts" "$(cat "$dir/answer")"
kill -TERM $pid
wait $pid
status=$?
pid=
[ $status -eq 0 ] && pass || fail "the end of serve --draft ngram" "status $status, $(tail -n 3 "$dir/err")"
run serve --port 0 --memory 20M
is "a plan that does not fit" 2 "" "--memory"

# options that would give everybody access
for flag in --api-key --allow-host --cors --alias; do
    run serve --port 0 $flag ""
    is "$flag without a text" 2 "" "=stoker serve: $flag is empty: give it a text, or leave the flag out"
    run serve --port 0 $flag "$(printf '\n ')"
    is "$flag with a line's end" 2 "" "=stoker serve: $flag is empty: give it a text, or leave the flag out"
    run serve --port 0 $flag "$(printf 'a\n ')"
    is "$flag of two lines" 2 "" "=stoker serve: $flag has a line's end or another control character in it: give one line"
done
for name in '*' '*.example' http://a 'a b'; do
    run serve --port 0 --allow-host box.example --allow-host "$name"
    is "--allow-host $name" 2 "" "=stoker serve: --allow-host $name: a name has no *, / or blank; give each name that this server is reached by"
done
for origin in null Null; do
    run serve --port 0 --cors https://app.example --cors $origin
    is "--cors $origin" 2 "" "^stoker serve: --cors null lets every page ask that is in a sandbox or was opened from a file, "
done
for origin in http://a/b app.example http:// ://a http://u@a; do
    run serve --port 0 --cors $origin
    is "--cors $origin" 2 "" "=stoker serve: --cors $origin: an origin is scheme://host or scheme://host:port, nothing behind, or '*'"
done
starts_once --cors '*'
is "--cors of all pages" 0 "^listening on " "$log req_"
printf '\n \n\n' >"$dir/keys"
run serve --port 0 --api-key-file "$dir/keys"
is "a file of empty keys" 2 "" "=stoker serve: --api-key-file $dir/keys holds no key"
run serve --port 0 --api-key-file /dev/zero
is "a file of keys without end" 2 "" "=stoker serve: --api-key-file /dev/zero: larger than 1 MiB"
run serve --port 0 --api-key-file "$dir/absent"
is "no file of keys" 1 "" "=stoker serve: --api-key-file $dir/absent: cannot be opened: No such file or directory"
run serve --port 0 --host 0.0.0.0
is "others' requests without a key" 2 "" "^stoker: --host 0\.0\.0\.0 lets other machines ask: give --api-key-file, or --allow-host with each name "
starts_once --host 0.0.0.0 --allow-host box.example
is "others' requests with a name" 0 "^listening on " "$log warning: whoever reaches 0\.0\.0\.0 may use this server: "

# what nobody could answer is found in the log by its path and the reason, which quotes no prompt
: >"$dir/out"
"$stoker" serve --port 0 --memory min --threads 1 >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for 60 grep -q '^listening on ' "$dir/out" || fail "wrong requests" "does not listen"
at=$(sed 's/^listening on //' "$dir/out")
wait_for 60 curl -sf -o /dev/null "$at/health" || fail "wrong requests" "is not healthy"
ask() { curl -s -o /dev/null "$at/$1" -d "$2"; }
ask v1/v1/messages?key=hidden '{}'
ask v1/chat/completions '{"model":"gpt-4o","messages":[{"role":"user","content":"secret"}]}'
ask v1/chat/completions '{"temperature":"secret","messages":[{"role":"user","content":"secret"}]}'
ask v1/chat/completions '{"messages":[{"role":"user","content":"secret"}'
curl -s -o /dev/null "$at/v1/chat/completions"
kill -TERM $pid
wait $pid
pid=
logged() { grep -Eq "$log req_[A-Za-z0-9]+ $2$" "$dir/err" && pass || fail "$1" "not in the log: $2"; }
zeros='prompt 0 cached 0 generated 0 [0-9.]+ ms:'
logged "a wrong path" "POST /v1/v1/messages 404 $zeros there is no route /v1/v1/messages"
logged "another model" "POST /v1/chat/completions 404 $zeros model .gpt-4o. not found; .*--any-model.*"
logged "a wrong value" "POST /v1/chat/completions 400 $zeros [a-z_]+ at temperature"
logged "no JSON" "POST /v1/chat/completions 400 $zeros [a-z_]+"
logged "a wrong method" "GET /v1/chat/completions 405 $zeros GET is not a method of .*"
grep -Eq 'secret|hidden' "$dir/err" && fail "the log" "has what a client wrote" || pass

# a model of which a part cannot be used: what needs that part is refused
answers() { # answers PATH BODY TEXT: of the server that runs, with 400
    got=$(curl -s -w ' %{http_code}' -d "$2" "$(sed 's/^listening on //' "$dir/out")/$1")
    case $got in
    *"$3"*" 400") pass ;;
    *) fail "$1 of $what" "$got" ;;
    esac
}
serve_part() { # serve_part MODEL: a server of it begins
    : >"$dir/out" # not what the last one said
    "$stoker" serve "$1" --port 0 --memory min --threads 1 >"$dir/out" 2>"$dir/err" &
    pid=$!
    wait_for 60 grep -q '^listening on ' "$dir/out" || fail "$what" "does not listen"
    at=$(sed 's/^listening on //' "$dir/out")
    wait_for 60 curl -sf -o /dev/null "$at/health" || fail "$what" "is not healthy"
}
end_part() {
    kill -TERM $pid
    wait $pid
    status=$?
    pid=
    is "$what" 0 "^listening on " "$log req_"
}
chat='{"max_tokens":2,"messages":[{"role":"user","content":"a"}]}'

what="a tokenizer that stoker does not know"
LC_ALL=C sed 's/gpt2/none/' "$golden/qwen3moe.gguf" >"$dir/unknown.gguf"
serve_part "$dir/unknown.gguf"
answers detokenize '{"tokens":[1]}' 'tokenizer model \"none'
answers tokenize '{"content":"a"}' 'tokenizer model \"none'
answers apply-template "$chat" 'tokenizer model \"none'
answers v1/completions '{"prompt":[1,2],"max_tokens":2}' 'tokenizer model \"none'
end_part

what="a chat template that is broken"
LC_ALL=C sed 's/{%- endfor -%}/{%- endfox -%}/' "$ember" >"$dir/broken.gguf"
serve_part "$dir/broken.gguf"
for path in v1/chat/completions v1/messages api/chat apply-template; do
    answers $path "$chat" 'tokenizer.chat_template: the chat template is broken: line '
done
end_part

# who may write where prefixes are read from
mkdir "$dir/cache" && chmod 700 "$dir/cache"
starts_once --cache-dir "$dir/cache"
grep -Eq '(/health|/metrics) 200' "$dir/err" && fail "serve" "logs what is asked every few seconds" || pass
grep -q warning "$dir/err" && fail "a cache of one's own" "is warned of" || pass
chmod 777 "$dir/cache"
starts_once --cache-dir "$dir/cache"
is "a cache that all may write" 0 "^listening on " "$log warning: --cache-dir $dir/cache can be written by every user: "
chmod 1777 "$dir/cache"
starts_once --cache-dir "$dir/cache"
grep -q warning "$dir/err" && pass || fail "a cache with a sticky bit" "is not warned of"
if [ "$(id -u)" -eq 0 ]; then
    chmod 700 "$dir/cache" && chown 12345 "$dir/cache"
    starts_once --cache-dir "$dir/cache"
    is "a cache of another user" 0 "^listening on " "$log warning: --cache-dir $dir/cache belongs to user 12345, "
else
    skip "a cache of another user" "needs root"
fi
done_testing
