# A chat model with models of vectors and scores beside it, in one plan and one server: the parts of the plan, what is refused, names and
# aliases, routes, and the same vectors while answers are made.
. tests/cli/harness

touch "$dir/out" "$dir/err"
models=${BUILD:-build}/data/embeddings
embed=$models/nomic-bert.gguf rerank=$models/bert-rank.gguf

part() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$dir/$2"; }
run plan "$ember" --json --memory max && cp "$dir/out" "$dir/alone"
run plan "$ember" --json --memory max --embed "$embed" --rerank "$rerank"
is "the plan of three" 0 '"embed":[1-9][0-9]+,"rerank":[1-9][0-9]+,"draft":0,"library":0,"kernel"' ""
cp "$dir/out" "$dir/three"
for name in code index text weights rows kv_b kv state act logits slots reader stacks prefix server steer capture importance draft library; do
    [ "$(part $name alone)" = "$(part $name three)" ] && pass || fail "the part $name" "is another one beside encoders"
done
[ "$(part embed alone)" = 0 ] && [ "$(part rerank alone)" = 0 ] && pass || fail "a plan of one" "has parts of others"
[ $(($(part whole three) - $(part whole alone))) -ge $(($(part embed three) + $(part rerank three))) ] && pass ||
    fail "the whole of three" "is less than its parts"
run plan "$ember" --memory max --embed "$embed"
is "for people" 0 '^  embed +[0-9.]+ MiB  all of the model of --embed$' ""

queue() { # queue MODEL: what requests of it that wait take, 128 of them
    run plan "$ember" --json --memory max --embed "$1" && cp "$dir/out" "$dir/plain"
    run plan "$ember" --json --memory max --serve --embed "$1" && cp "$dir/out" "$dir/serve"
    echo $(($(part embed serve) - $(part embed plain)))
}
short=$(queue "$embed") long=$(queue "$models/gemma-embed.gguf")
[ "$short" -gt 0 ] && [ "$short" = "$long" ] && pass ||
    fail "the queue of an encoder" "takes $short bytes with a context of 128, $long with one of 512: requests have no prompts"

least=$(part minimum alone) both=$(part minimum three)
run plan "$ember" --memory "$both" --embed "$embed" --rerank "$rerank"
is "the least that works" 0 . ""
run plan "$ember" --memory $((both - 4096)) --embed "$embed" --rerank "$rerank"
is "less than that" 2 "" "--embed nomic-bert\.gguf \([0-9.]+ MiB\) and --rerank bert-rank\.gguf \([0-9.]+ MiB\) .*is too small\. Try --memory $(((both + 1048575) / 1048576))MiB(, or|\.| or)"
is "what may be left out" 2 "" ", or leave --rerank out\.$"
run plan "$ember" --memory "$least" --embed "$embed" --rerank "$rerank"
is "room for one" 2 "" ", or leave --embed and --rerank out\.$"
run plan "$ember" --memory "$least"
is "without them" 0 . ""

run plan "$ember" --embed "$rerank"
is "a model that ranks as --embed" 1 "" "--embed .*bert-rank\.gguf gives scores \(pooling rank\): it is one for --rerank"
run plan "$ember" --rerank "$embed"
is "a model of vectors as --rerank" 1 "" "--rerank .*nomic-bert\.gguf gives vectors \(pooling mean\): it is one for --embed"
run plan "$ember" --embed "$ember"
is "a chat model as --embed" 1 "" "--embed .*ember\.gguf generates text"
# The same model with a context of 4096: as it is 2048 tokens beside a chat, with --embed-ctx what is asked for, and its memory.
large=$dir/large.gguf key=nomic-bert.context_length
cp "$embed" "$large" && at=$(LC_ALL=C grep -obUa "$key" "$large" | head -n 1 | cut -d: -f1) &&
    printf '\000\020\000\000' | dd of="$large" bs=1 seek=$((at + ${#key} + 4)) conv=notrunc 2>/dev/null
takes() { # takes FLAG...: bytes of the part embed with these
    run plan "$ember" --json --memory max --embed "$large" "$@"
    part embed out
}
usual=$(takes) longer=$(takes --embed-ctx 4096)
[ "$usual" = "$(takes --embed-ctx 2k)" ] && [ "$(takes --embed-ctx 256)" -lt "$usual" ] && [ "$longer" -gt "$usual" ] && pass ||
    fail "--embed-ctx in the plan" "$usual bytes by default, $longer with 4096"
run plan "$ember" --json --memory min --embed "$large" --embed-ctx 4096
[ "$(part embed out)" = "$longer" ] && pass || fail "--embed-ctx with the least memory" "is lowered: $(part embed out) bytes, not $longer"
run plan "$ember" --embed "$large" --embed-ctx 4097
is "--embed-ctx beyond what was trained" 2 "" "^stoker: --embed-ctx 4097: .*large\.gguf was trained on 4096 positions, so that its texts have 1 to 4096 tokens$"
run plan "$ember" --rerank "$rerank" --rerank-ctx 4096
is "--rerank-ctx beyond what was trained" 2 "" "^stoker: --rerank-ctx 4096: .*bert-rank\.gguf was trained on [0-9]+ positions"
run plan "$ember" --rerank "$rerank" --embed-ctx 64
is "--embed-ctx alone" 2 "" "^stoker: --embed-ctx is for a model beside this one: name its file by --embed, or leave it out$"

run plan "$embed" --rerank "$rerank" --json
is "beside a model of vectors" 0 '"embed":0,"rerank":[1-9][0-9]+,"draft":0' ""
run plan "$rerank" --embed "$embed" --json
is "beside a model of scores" 0 '"embed":[1-9][0-9]+,"rerank":0,"draft":0' ""
run plan "$embed" --embed "$embed"
is "a second one of vectors" 2 "" "nomic-bert\.gguf gives vectors itself: leave --embed out$"
run plan "$rerank" --embed "$embed" --rerank "$rerank"
is "a second one of scores" 2 "" "bert-rank\.gguf gives scores itself: leave --rerank out$"
run plan "$embed" --draft "$ember"
is "drafts of vectors" 2 "" "^stoker: a model for --draft stands beside a model that generates text, and .*nomic-bert\.gguf does not: leave it out, or give --draft off$"
run plan "$ember" --embed "$dir/none.gguf"
is "a file that is not there" 1 "" "none\.gguf: cannot be opened"

command -v curl >/dev/null || {
    skip "the server" "curl is not installed"
    done_testing
    exit
}
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
starts "$embed"
asks "vectors alone" 200 '"embedding"' /v1/embeddings '{"input":["the water","fire and stone"]}'
cp "$dir/answer" "$dir/vectors"
ends

starts "$ember" --alias small --embed "$embed" --embed-alias nomic-embed-text:v1.5 --rerank "$rerank" --rerank-alias ranker
asks "vectors" 200 '"model":"nomic-bert"' /v1/embeddings '{"input":["the water","fire and stone"]}'
cmp -s "$dir/answer" "$dir/vectors" && pass || fail "vectors" "are not those of a server of that model"
tokens=$(sed 's/.*"prompt_tokens":\([0-9]*\).*/\1/' "$dir/answer")
asks "by an alias" 200 '^\{"model":"nomic-embed-text:v1.5","embeddings":' /api/embed '{"model":"nomic-embed-text:v1.5","input":"the water"}'
tokens=$((tokens + $(sed 's/.*"prompt_eval_count":\([0-9]*\).*/\1/' "$dir/answer")))
asks "scores" 200 '"model":"bert-rank".*"relevance_score"' /v1/rerank '{"query":"what is water","documents":["the water","fire and stone"]}'
asks "scores by an alias" 200 '"relevance_score"' /v1/rerank '{"model":"ranker","query":"a","documents":["b"]}'
asks "tokens counted" 200 "^stoker_embed_tokens_total $tokens\$" /metrics
for counted in 'embed_texts_total 3' 'rerank_pairs_total 3' 'embed_step_seconds_count 2' 'rerank_step_seconds_count 2' 'step_seconds_count 0' \
    'memory_bytes\{part="embed"\} [1-9][0-9]+' 'memory_bytes\{part="rerank"\} [1-9][0-9]+'; do
    grep -Eq "^stoker_$counted\$" "$dir/answer" && pass || fail "$counted" "is not in /metrics: $(grep -E "_total|_count" "$dir/answer" | tr '\n' ' ' | head -c 600)"
done
asks "a chat" 200 '"model":"ember"' /v1/chat/completions '{"model":"small","max_tokens":3,"messages":[{"role":"user","content":"hi"}]}'
asks "vectors of the chat's model" 400 '"param":"model","code":"unsupported"' /v1/embeddings '{"model":"small","input":"a"}'
asks "vectors of the model that ranks" 400 '"nomic-bert\\" does","type":"[a-z_]*","param":"model","code":"unsupported"' /v1/embeddings '{"model":"ranker","input":"a"}'
asks "scores of the model of vectors" 400 '"param":"model","code":"unsupported"' /v1/rerank '{"model":"nomic-bert","query":"a","documents":["b"]}'
asks "a chat with the model of vectors" 400 '"param":"model","code":"unsupported"' /v1/chat/completions '{"model":"nomic-bert","messages":[{"role":"user","content":"hi"}]}'
asks "a chat of ollama's with it" 400 'does not do this' /api/chat '{"model":"nomic-embed-text:v1.5","messages":[{"role":"user","content":"hi"}]}'
asks "no such model" 404 '"code":"model_not_found"' /v1/embeddings '{"model":"other","input":"a"}'
asks "a long text" 400 'this model.s context is 128' /v1/embeddings "{\"input\":\"$(yes water | head -n 200 | tr '\n' ' ')\"}"
asks "models" 200 '"id":"ember".*"id":"nomic-bert".*"id":"bert-rank".*"last_id":"bert-rank"' /v1/models
asks "one of them" 200 '^\{"id":"nomic-bert",.*"n_ctx":128,' /v1/models/nomic-embed-text:v1.5
asks "their names" 200 '"name":"ember:latest".*"name":"small:latest".*"name":"nomic-bert:latest".*"name":"nomic-embed-text:v1\.5".*"name":"bert-rank:latest".*"name":"ranker:latest"' /api/tags
asks "show" 200 '"capabilities":\["embedding"\]' /api/show '{"model":"nomic-embed-text:v1.5"}'
asks "show of the other" 200 '"capabilities":\["rerank"\]' /api/show '{"model":"ranker"}'
asks "show of the first" 200 '"capabilities":\["completion"' /api/show '{"model":"small"}'
asks "the plan, which is the page's bar" 200 '"name":"embed","bytes":[1-9][0-9]+\},\{"name":"rerank","bytes":[1-9]' /stoker/plan

# Answers that run meanwhile: each has many tokens, and the vectors are asked for once the first of them are there.
for i in 1 2 3; do
    curl -sN -m 120 "$at/v1/chat/completions" -H 'content-type: application/json' \
        -d '{"stream":true,"max_tokens":600,"seed":'$i',"ignore_eos":true,"messages":[{"role":"user","content":"tell me of water"}]}' >"$dir/chat$i" &
    eval "chat$i=$!"
done
wait_for 60 grep -q content "$dir/chat3" || fail "a chat" "does not begin"
for i in 1 2 3 4 5; do
    asks "vectors beside answers" 200 '"embedding"' /v1/embeddings '{"input":["the water","fire and stone"]}'
    cmp -s "$dir/answer" "$dir/vectors" && pass || fail "vectors beside answers" "are other ones"
done
wait $chat1 $chat2 $chat3
for i in 1 2 3; do grep -q '^data: \[DONE\]' "$dir/chat$i" && pass || fail "chat $i" "does not end: $(tail -c 200 "$dir/chat$i")"; done
many=$(i=0; while [ $i -lt 2000 ]; do printf '"a",'; i=$((i + 1)); done)
curl -s -m 0.05 "$at/v1/embeddings" --data-binary "{\"input\":[$many\"b\"]}" >"$dir/answer" # and leaves
asks "behind one that left" 200 '"embedding"' /v1/embeddings '{"input":["the water","fire and stone"]}'
cmp -s "$dir/answer" "$dir/vectors" && pass || fail "vectors behind one that left" "are other ones"
ends

words() { yes water | head -n "$1" | tr '\n' ' '; }
starts "$ember" --embed "$large" --embed-ctx 4096 --rerank "$rerank" --rerank-ctx 64
asks "one beyond that" 400 'has 5002 tokens; this model.s context is 4096' /v1/embeddings "{\"input\":\"$(words 5000)\"}"
asks "a pair beyond --rerank-ctx" 200 '"prompt_tokens":64,.*"truncated":\[0\]' /v1/rerank "{\"query\":\"a\",\"documents\":[\"$(words 100)\"]}"
ends

starts "$ember" --rerank "$rerank"
asks "vectors without a model of them" 400 'judges pairs' /v1/embeddings '{"input":"a"}'
ends
done_testing
