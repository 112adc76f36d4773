# Wrong commands, wrong files and impossible options: one sentence, and the right exit status.
. tests/cli/harness

# ---- usage: exit 2 -------------------------------------------------------------------------------------------------------
run
[ "$status" -eq 2 ] && grep -q 'commands' "$dir/err" && pass || fail "no command" "does not show the commands"
run nosuch
is "an unknown command" 2 "" '^stoker: "nosuch" is not a command; see stoker --help$'
for pair in "rnu|did you mean stoker run\?" "chat|did you mean stoker run\?" "show|did you mean stoker inspect\?" \
    "pull|stoker downloads nothing" "list|stoker keeps no list of models" "ps|stoker serve answers GET /api/ps" \
    "some.gguf|did you mean stoker run some.gguf\?" "-m|did you mean stoker run -m\?" "rm|models are files: rm, cp and mv do$" \
    "create|stoker quantize makes smaller files" "quantise|did you mean stoker quantize\?" "perplexity|did you mean stoker eval ppl\?" "push|stoker uploads nothing" "stop|a model stays loaded as long as its stoker run" "server|did you mean stoker serve\?"; do
    run "${pair%%|*}"
    is "stoker ${pair%%|*}" 2 "" "^stoker: \"${pair%%|*}\" is not a command; ${pair#*|}"
done
while IFS='|' read -r arguments sentence; do
    eval "run $arguments"
    is "stoker $arguments" 2 "" "$sentence"
done <<'END'
run --nosuch|--nosuch is not a flag of this command; see stoker run --help
run --memmory 3G|--memmory is not a flag of this command; did you mean --memory\?
run --tempp 1|--tempp is not a flag of this command; did you mean --temp\?
serve --prot 80|--prot is not a flag of this command; did you mean --port\?
run --lines -p x|--lines reads turns from stdin; leave out -p and -f
run -p - -f -|stdin is named more than once
run -m|-m needs a value
run -n -2 -p x|-n -2: whole numbers from 1 to 1073741824 are possible, and -1: no limit
run -ngl 99 -p x|-ngl: stoker computes on the CPU; leave it out
run -fa off -p x|-fa: attention always takes one pass over keys and values; leave it out
run -b 512 -p x|-b: a prompt is always given whole; --chunk N sets how many of its rows a step computes
run -ctk f16 -ctv f32 -p x|-ctv f32: --kv is already f16, and has one value
run -np x -p x|--parallel x: whole numbers
run --mlock=1 -p x|--mlock takes no value
run -hf some/repo -p x|-hf: stoker downloads nothing; name the GGUF file
run -np|-np needs a value
plan -sys x|-sys: stoker run has it; requests to stoker serve bring their system message
serve -sys x|-sys: stoker run has it; requests to stoker serve bring their system message
serve -n5|-n: stoker run has it; to stoker serve each request says how long its answer may be: max_tokens
serve --n-predict 5|--n-predict: stoker run has it; to stoker serve each request
serve -r x|-r: stoker run has it; requests to stoker serve name theirs: stop
serve -f x|-f: files of a prompt are named to stoker run
serve --nowordwrap|--nowordwrap is not a flag of this command
run --version|--version: stoker version tells it
run --think -p x --nosuch|--nosuch is not a flag of this command
run -p x --regex '('|pattern: a group is not closed
run -p x --grammar /dev/null|grammar, line 1, column 1: no root
run -p x --json-schema '{"type":3}'|schema error at #/type
run -p x --json-schema /dev/zero|--json-schema /dev/zero: larger than 2 MiB
run -p x --grammar /dev/zero|--grammar /dev/zero: larger than 2 MiB
run -p|-p needs a value
run --temp hot -p x|--temp hot: numbers from -1000000 to 1000000
run --temp nan -p x|--temp nan: numbers
run --top-p 1.5 -p x|--top-p 1.5: numbers from 0 to 1
run --seed -2 -p x|--seed -2: whole numbers from 0 to
run -n 0 -p x|-n 0: whole numbers from 1
run --ctx -1 -p x|--ctx -1: whole numbers from 1
run -st|-st: without -p a chat begins, with it there is one answer; leave it out
run -st --system -p|-st: without -p a chat begins
run -no-cnv -p x|-no-cnv: with -p there is one answer, and the chat template is always applied; leave it out
run -e -p x|-e: texts are taken as they are; leave it out
run -sysf system.txt -p x|-sysf: --system "\$\(cat FILE\)" gives a file's text
run --temperture 1 -p x|--temperture is not a flag of this command; did you mean --temp\?
run --ctx-sizes 512 -p x|--ctx-sizes is not a flag of this command; did you mean --ctx\?
run -sys a -sys b --system c --temp hot -p x|--temp hot
run --numa distribute -p x|--numa: memory lies by turns over the nodes
serve --embedding|--embedding: a model of vectors or scores is served as such, and serve has --embed FILE and --rerank FILE; leave it out
run --hidethinking -p x|--hidethinking: reasoning is shown on a terminal only
run --verbose-prompt -p x|--verbose-prompt: stoker render and stoker tokenize
run --in-prefix x -p x|--in-prefix: the chat template
run --override-kv a=int:1 -p x|--override-kv: the model is what its file says
run --prio 2 -p x|--prio: taskset\(1\) and nice\(1\)
run --poll 50 -p x|--poll: --spin MS says how long threads without work stay awake
run --spin 0 -p x|--spin 0: numbers from 0.001 to 10000
run --spin 10001 -p x|--spin 10001: numbers from 0.001 to 10000
tune --kv q8_0|--kv is not a flag of this command
run --check-tensors -p x|--check-tensors: stoker check
serve --ssl-cert-file x|--ssl-cert-file: a proxy in front speaks TLS
serve --cache-reuse 256|--cache-reuse: prompts that begin alike
inspect -ctk f16|-ctk is not a flag of this command
run -l 7*2 -p x|--logit-bias 7\*2: ID=B is expected
run --ctx 1.5 -p x|--ctx 1.5: whole numbers
run --threads 0 -p x|--threads 0: whole numbers from 1
run --parallel 1000 -p x|--parallel 1000: whole numbers from 1
run --memory 12Q -p x|--memory 12Q: bytes are a number with
run --memory -5G -p x|--memory -5G: bytes
run --memory nan -p x|--memory nan: bytes
run --memory 0 -p x|--memory 0: bytes
run --memory 4611686018427387905 -p x|--memory 4611686018427387905: bytes
run --memory 4194305T -p x|--memory 4194305T: bytes
run --memory 18446744073709551617 -p x|--memory 18446744073709551617: bytes
run --kv q3 -p x|--kv q3: f16, f32 and q8_0 are possible
run -ctk q5_1 -ctv q5_1 -p x|--kv q5_1: f16, f32 and q8_0 are possible
run -ctk q8_0 -ctv f16 -p x|-ctv f16: --kv is already q8_0, and has one value
run --cpu-tier mmx -p x|--cpu-tier mmx: scalar, avx2, avxvnni and avx512
run --reader floppy -p x|--reader floppy: uring, threads and buffered
run --slots x -p x|--slots x: N
run --slots 1 -p x|--slots 1 for class 1: at least
run --slots 10,10 -p x|--slots names 2 classes; this model has 1
run --think maybe -p x|--think maybe: on or off
run --think one.gguf two -p x|"two" is one argument too many
run --stats=fool -p x|--stats fool: nothing or =full is possible
run --json=1 -p x|--json takes no value
run one two|"two" is one argument too many; a prompt stands behind -p; see stoker run --help
run --host 0.0.0.0 -p x|--host: the server is stoker serve
run --port 80|--port: the server is stoker serve
run --api-key x -p y|--api-key: the server is stoker serve
help nosuch|"nosuch" is not a command
plan --nosuch|--nosuch is not a flag
inspect --nosuch|--nosuch is not a flag
inspect a b|"b" is one argument too many
bench --nosuch|--nosuch is not a flag
version x|"x" is one argument too many
disk --bytes max models/ember/ember.gguf|--bytes min and max mean nothing here
END

# ---- flags of other programs that have an equal ----------------------------------------------------------------------------
run run -m "$ember" -c 512 -n5 -s 3 -fa on -np 1 -ub 64 -ctk f16 -ctv f16 -ngl 0 --no-mmap --jinja --temperature 0 --top_k 3 -sys Be\ brief. -p Hello
is "flags of llama.cpp" 0 . ""
theirs=$(cat "$dir/out")
run run "$ember" --ctx 512 -n 5 --seed 3 --parallel 1 --chunk 64 --kv f16 --temp 0 --top-k 3 --system 'Be brief.' -p Hello
is "the same with ours" 0 "=$theirs" ""
run run -s -1 --seed -1 -t -1 -c 0 --temp 0 -st --no-escape --no-warmup --mirostat-lr 0.2 --mirostat-ent 4 --dynatemp-exp 2 \
    --dry-sequence-breaker x --think=false --top-nsigma -1 -kvu --swa-full --no-perf --nowordwrap --offline -p 'Spell cat.'
is "flags of llama.cpp that say what is usual" 0 "=C-A-T." ""
token=$("$stoker" tokenize "$ember" A)
run run --temp 0 -n 1 -p Hello -l "$token+1e5"
is "a bias of llama.cpp" 0 "=A" ""
run run --temp 0 -n 1 -p Hello --logit-bias "$token=1e5" -l "$token-2e5"
is "two biases of one token" 0 "=Hello" ""
run run -n -1 --temp 0 -p 'Spell cat.'
is "-n -1" 0 "=C-A-T." ""

# ---- help: every command teaches by example ------------------------------------------------------------------------------
run --help
is "--help" 0 "stoker run MODEL.gguf -p" ""
commands=$(sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p' "$dir/out" | grep -v stoker)
for command in $commands; do
    for flag in --help -h; do
        run $command $flag
        is "$command $flag" 0 "^ *stoker $command" ""
    done
done
[ "$(echo "$commands" | wc -l)" -ge 5 ] && pass || fail "--help" "names too few commands: $commands"
run run --help
help=$(cat "$dir/out")
run help run
is "help run" 0 "=$help" ""
for group in 'Prompt and answer' 'Memory and speed' Sampling Steering Settings; do
    [ "$(echo "$help" | grep -cE "^$group:\$")" = 1 ] && pass || fail "run --help" "has no group \"$group\""
done
[ "$(echo "$help" | grep -c '^$')" = "$(($(echo "$help" | grep -cE '^[A-Z][^.]*:$') + 2))" ] && pass || fail "run --help" "groups are not set apart"
run run --stats full --temp 0 -p 'Spell cat.'
is "--stats full" 0 "=C-A-T." "^backend"
run version
is version 0 '^stoker [0-9]+\.[0-9]+\.[0-9]+$' ""
run --version
is --version 0 '^stoker [0-9]+\.[0-9]+\.[0-9]+$' ""

# ---- files: exit 1 -------------------------------------------------------------------------------------------------------
bad() { # bad WHAT FILE SENTENCE: with each command that opens a model
    for command in "run -p x" plan inspect; do
        set -- "$1" "$2" "$3"
        run ${command%% *} "$2" ${command#"${command%% *}"}
        is "$1: $command" 1 "" "$3"
    done
}
mkdir "$dir/folder"
printf 'hello, I am not a model\n' >"$dir/text.gguf"
: >"$dir/empty.gguf"
head -c 5000 "$golden/qwen3moe.gguf" >"$dir/header.gguf"
head -c 300000 "$golden/qwen3moe.gguf" >"$dir/data.gguf"
mkfifo "$dir/fifo"
cp "$golden/qwen3moe.gguf" "$dir/x-00001-of-00003.gguf"
bad "missing" "$dir/absent.gguf" "^stoker: $dir/absent.gguf: cannot be opened: No such file or directory$"
for command in "run -p x" serve; do
    run ${command%% *} llama3.2:3b ${command#"${command%% *}"}
    is "a name that others download by: $command" 1 "" "^stoker: there is no file llama3\.2:3b; stoker downloads nothing and keeps no list of models: name a GGUF file"
done
bad "a folder" "$dir/folder" "^stoker: $dir/folder: a folder, not a GGUF file$"
bad "a fifo" "$dir/fifo" "not a regular file"
bad "a text" "$dir/text.gguf" "not a GGUF file"
bad "empty" "$dir/empty.gguf" "the file is empty"
bad "cut in its header" "$dir/header.gguf" "^stoker: $dir/header.gguf: "
bad "cut in its data" "$dir/data.gguf" "^stoker: $dir/data.gguf: "
bad "named like a part" "$dir/x-00001-of-00003.gguf" "part 1 of 3"

cp "$golden/qwen3moe.gguf" "$dir/locked.gguf"
chmod 000 "$dir/locked.gguf"
if [ "$(id -u)" -ne 0 ]; then
    bad "unreadable" "$dir/locked.gguf" "cannot be opened: Permission denied"
elif setpriv --reuid 65534 --clear-groups true 2>/dev/null; then # root reads everything: as nobody
    chmod 755 "$dir"
    cp "$stoker" "$dir/stoker"
    setpriv --reuid 65534 --clear-groups "$dir/stoker" inspect "$dir/locked.gguf" >"$dir/out" 2>"$dir/err"
    status=$?
    is "unreadable: inspect" 1 "" "cannot be opened: Permission denied"
    "$dir/stoker" run -p x >"$dir/out" 2>"$dir/err"
    status=$?
    is "the embedded model is not there" 1 "" "embedded model is the file ember.gguf, which is neither in .*; name a MODEL.gguf"
else
    skip "unreadable" "root reads everything, and there is no setpriv"
fi

# ---- prompts: exit 1 -----------------------------------------------------------------------------------------------------
run run -p ''
is "an empty prompt" 1 "" "the prompt is empty; give some text with -p, -f or on stdin"
run run
is "an empty stdin" 1 "" "the prompt is empty"
printf '\n\n\n' >"$dir/in"
run run
is "empty lines" 1 "" "the prompt is empty"
for bytes in '\377' 'a\300\257' '\355\240\200' '\364\220\200\200' 'abc\342\202'; do
    printf "$bytes\n" >"$dir/in"
    run run
    is "invalid UTF-8 $bytes" 1 "" "^stoker: stdin is not valid UTF-8 at byte [0-9]* \(0x"
done
rm "$dir/in"
run run -p "$(printf 'gr\303\274n \360\237\231\202')" --temp 0
is "valid UTF-8" 0 . ""
run run -p 'far too many words for so small a context, as everybody can see' --ctx 16
is "a prompt longer than the context" 1 "" "the prompt has [0-9]+ tokens, the context 16; try --ctx [0-9]+"
larger=$(sed 's/.*try --ctx //' "$dir/err")
run run -p 'far too many words for so small a context, as everybody can see' --ctx "$larger" --temp 0
is "the context that was offered" 0 . ""
awk 'BEGIN { for (i = 0; i < 500; i++) printf "word "; print "" }' >"$dir/some"
for n in 1 3; do # 500 words have a context, 1,500 would have none that the model was trained on
    for i in $(seq $n); do cat "$dir/some"; done >"$dir/long"
    run run -f "$dir/long" --ctx 64
    is "a prompt of $((500 * n)) words" 1 "" "the prompt has [0-9]+ tokens, the context 64$([ $n -eq 3 ] || echo '; try --ctx 10')"
done
is "a prompt longer than what the model was trained on" 1 "" "the context 64, and the model was trained on 1024; shorten the prompt$"

for context in 1k 1K 1024 1.5k 1M; do
    run plan --json -c $context
    is "-c $context" 0 "\"ctx\":$(echo "$context" | awk '{ print int($1 * (/[kK]$/ ? 1024 : /M$/ ? 1048576 : 1)) }')," ""
done
for context in k 8kk 1.0001k 0k 1G '8 k' 257M; do
    run plan -c "$context"
    is "-c $context" 2 "" "=stoker plan: --ctx $context: whole numbers from 1 to 268435456 are possible, and 8k for 8192"
done
run serve -p 9000
is "serve -p" 2 "" "^stoker serve: -p: a port is --port N"
run sessions
is "sessions" 2 "" "stoker run --sessions lists conversations"
run plan llama3
is "plan of a name" 1 "" "^stoker: there is no file llama3; "
for flag in "-f $dir/absent" "--grammar $dir/absent -p x" "--json-schema $dir/absent -p x" "--tools $dir/absent -p x"; do
    # shellcheck disable=SC2086 # flags
    run run $flag
    is "run $flag" 1 "" "absent: cannot be opened"
done

# ---- impossible plans: exit 2, and what is offered works -----------------------------------------------------------------
for flags in "--memory 1M" "--memory 40M --ctx 1024" "--memory 100M --ctx 100000" "--memory 44M --parallel 4"; do
    run run -p 'Spell cat.' --temp 0 $flags
    is "$flags" 2 "" "needs at least .* is too small. Try --memory [0-9]+(MiB|\.[0-9][0-9]GiB)( or --ctx [0-9]+)?\.$"
    offered=$(sed 's/.*Try --memory \([0-9.MGiB]*\).*/\1/; s/\.$//' "$dir/err")
    context=$(sed -n 's/.* or --ctx \([0-9]*\)\.$/\1/p' "$dir/err")
    run plan $flags
    is "plan $flags" 2 "" "is too small. Try --memory $offered( or|\.$)"
    run plan --json $flags
    is "plan --json $flags" 2 "^\{.*\"fits\":false,.*\"minimum\":[0-9]+,.*\}$" "Try --memory $offered"
    memory=$(sed 's/.*"minimum":\([0-9]*\),.*/\1/' "$dir/out")
    case $offered in # the least, rounded up to a MiB or a hundredth of a GiB
    *MiB) is_close=$((${offered%MiB} == (memory + 1048575) / 1048576)) ;;
    *)
        hundredths=${offered%GiB}
        is_close=$((${hundredths%.*} * 100 + 1${hundredths#*.} - 100 == memory / 1073741824 * 100 + (memory % 1073741824 * 100 + 1073741823) / 1073741824))
        ;;
    esac
    [ "$is_close" = 1 ] && pass || fail "$flags: --memory $offered" "the least is $memory"
    for budget in "$memory" "$offered"; do
        run run -p 'Spell cat.' --temp 0 $flags --memory "$budget"
        is "$flags: --memory $budget" 0 "=C-A-T." "$([ "$flags" = "${flags#*100000}" ] || echo trained on 1024)"
    done
    run plan $flags --memory $((memory - 1))
    is "$flags: --memory $memory - 1" 2 "" "--memory ([0-9.]+ [MG]iB|[0-9]+ bytes) is too small"
    [ -n "$context" ] || continue
    run run -p 'Spell cat.' --temp 0 $flags --ctx "$context"
    is "$flags: --ctx $context" 0 "=C-A-T." "$([ "$context" -le 1024 ] || echo trained on 1024)"
done

# ---- --lock: what the system allows --------------------------------------------------------------------------------------
run run -p 'Spell cat.' --temp 0 --lock
[ "$status" -eq 0 ] && pass || is "--lock" 2 "" "^stoker: --lock: [0-9]+ bytes cannot be locked"
if [ "$(id -u)" -ne 0 ] || setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
    nobody=$([ "$(id -u)" -ne 0 ] || echo setpriv --reuid 65534 --clear-groups)
    chmod 755 "$dir"
    cp "$stoker" "$ember" "$dir"
    (ulimit -l 64 && exec $nobody "$dir/stoker" run -p x --lock) >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    is "--lock beyond the limit" 2 "" "^stoker: --lock: [0-9]+ bytes cannot be locked \(.*\), the limit is 65536; raise it"
else
    skip "--lock beyond the limit" "root locks everything, and there is no setpriv"
fi

# ---- output that cannot be written: exit 1 -------------------------------------------------------------------------------
if [ -w /dev/full ]; then
    for command in "run -p Hello" "run -p Hello --json" plan inspect --help "run --help"; do
        timeout $limit "$stoker" $command >/dev/full 2>"$dir/err" </dev/null
        status=$?
        : >"$dir/out"
        is "a full disk: $command" 1 "" "written: No space left|writing the output failed"
    done
else
    skip "a full disk" "there is no /dev/full"
fi

done_testing
