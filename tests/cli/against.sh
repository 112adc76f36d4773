# bench --against: who runs when and with what, what is proved first, verdicts of times that are made up, the log; nothing is timed.
. tests/cli/harness

model=$golden/qwen3moe.gguf
case $model in /*) ;; *) model=$PWD/$model ;; esac
quick="--no-roofs --memory min -p 8 -n 0 --no-warmup --pairs 5 --effect 100 --root $dir/no"

# A program that stands for another build: what this one said once, edited.
build_that() { # build_that NAME SED
    cat >"$dir/$1" <<END
#!/bin/sh
echo "\$*" >>"$dir/$1.calls"
case "\$*" in *--help) kind=help ;; *--digest) kind=digest ;; *) kind=rows ;; esac
[ -e "$dir/$1.\$kind" ] || "$stoker" "\$@" >"$dir/$1.\$kind" || exit
sed '$2' "$dir/$1.\$kind"
END
    chmod +x "$dir/$1"
}
build_that fast 's/"avg_ns":[0-9]*/"avg_ns":1/'
build_that slow 's/"avg_ns":[0-9]*/"avg_ns":99000000000000/'
build_that waits 's/"samples_ns":\[[0-9]*/"samples_ns":[2000000000/; s/"avg_ns":[0-9]*/"avg_ns":2000000000/; s/"samples_waited_ns":\[[0-9]*/"samples_waited_ns":[1999999999/'
build_that once 's/"samples_ns":\[[^]]*\]/"samples_ns":[99000000000000,1]/; s/"avg_ns":[0-9]*/"avg_ns":99000000000000/; s/"samples_waited_ns":\[[^]]*\]/"samples_waited_ns":[0,0]/'
build_that untold 's/"avg_ns":[0-9]*/"avg_ns":2000000000/; s/"samples_waited_ns":\[[0-9]*\],//'
build_that wrong 's/"logits":"..../"logits":"zzzz/'
build_that hasty 's/"avg_ns":[0-9]*/"avg_ns":1/; s/"logits":"..../"logits":"zzzz/'
build_that mixed '/"n_prompt":8,/s/"avg_ns":[0-9]*/"avg_ns":1/; /"n_prompt":16,/s/"avg_ns":[0-9]*/"avg_ns":99000000000000/'
build_that roofed 's/"bound_ts":[0-9.]*,"bound_by":"[a-z]*"/"bound_ts":500.0,"bound_by":"drive"/'
build_that roofless 's/,"roof_memory":.*"efficiency":[0-9.]*//'
build_that old 's/--digest/--nothing/; s/--no-roofs/--nothing/'

# ---- settings ------------------------------------------------------------------------------------------------------------
run bench "$model" $quick --against '--threads 1' -o jsonl --progress
is "settings" 0 '^\{"log_version":2,.*"test":"pp8","against":"settings",.*"outputs":"equal","verdict":"[a-z ]+","decision":"(kept|dropped)"' 'A/A, pair 1 of 5$'
grep -q "\"b\":\"$model --memory min .* --threads 1\"" "$dir/out" && pass || fail "settings" "B is not A and more flags"
grep -q '"pressure_cpu":null' "$dir/out" && pass || fail "settings" "there is a pressure below a root without files"
run bench "$model" --no-roofs -p 8,16 -n 4 --no-warmup --pairs 5 --effect 100 --against '--threads 1'
is "a table" 0 '^\| +pp16 \|' ""
[ "$(grep -c '^| .*\(faster\|slower\|no difference shown\) *|$' "$dir/out")" -eq 3 ] && pass || fail "a table" "not three verdicts"

# ---- other builds --------------------------------------------------------------------------------------------------------
run bench "$model" $quick --against-binary "$dir/fast" --log "$dir/log"
is "a faster build" 0 ' faster +\|$' ""
run bench "$model" $quick --against-binary "$dir/slow" --log "$dir/log" -o json
is "a slower build" 0 '"verdict":"slower","decision":"dropped"' ""
grep -c '^bench --no-roofs -r 1 .* -o json$' "$dir/slow.calls" >"$dir/n"
[ "$(cat "$dir/n")" -ge 5 ] && grep -q -- '--pairs' "$dir/slow.calls" && fail "a slower build" "is given flags of the comparison" || pass
if [ -r /proc/self/schedstat ]; then
    one="--no-roofs --memory max -t 1 -p 8 -n 0 --pairs 5 --effect 100 --root $dir/no"
    run bench "$model" $one --against-binary "$dir/waits" -o jsonl
    is "a build that waited for a core" 0 '"verdict":"faster",.*"without_waits":true' ""
    grep -q '^bench --no-roofs -r 9 .* -o json$' "$dir/waits.calls" && pass || fail "a short test" "is not repeated nine times"
    run bench "$model" $one --against-binary "$dir/once" -o jsonl
    is "one slow repetition" 0 '"verdict":"faster",.*"without_waits":true' ""
    rm -f "$dir/once.calls"
    run bench "$model" $one -r 2 --against-binary "$dir/once" -o jsonl
    grep -q ' -r 2 .*-o json$' "$dir/once.calls" && pass || fail "-r 2" "does not stand"
    run bench "$model" $one --against-binary "$dir/untold" -o jsonl
    is "a build that does not tell" 0 '"verdict":"slower",.*"without_waits":false' ""
    run bench "$model" $one -o jsonl
    is "waits of one thread" 0 '"samples_waited_ns":\[[0-9]+,[0-9]+,[0-9]+,[0-9]+,[0-9]+\]' ""
    run bench "$model" $one -t 2 -o jsonl
    grep -q samples_waited "$dir/out" && fail "waits of two threads" "are told" || pass
else
    skip "waits for a core" "this kernel has no schedstat"
fi
run bench "$model" $quick --against-binary "$dir/wrong"
is "a build that answers differently" 1 "" "A and B answer differently"
run bench "$model" $quick --against-binary "$dir/wrong" --unequal
is "--unequal" 0 '^outputs: unequal$' ""
run bench "$model" $quick --against-binary "$dir/old"
is "a build without --digest" 1 "" "$dir/old has no bench --digest, .*--unequal goes on"
run bench "$model" $quick --against-binary "$dir/old" --unequal -o jsonl
is "it with --unequal" 0 '"outputs":"not compared"' "has no bench --digest"
grep -q '^bench -r 1 ' "$dir/old.calls" && ! grep -q no-roofs "$dir/old.calls" && pass || fail "an old build" "is given a flag that it does not know"
printf '#!/bin/sh\nexec sleep 60\n' >"$dir/hangs"
chmod +x "$dir/hangs"
run bench "$model" $quick --against-binary "$dir/hangs" --unequal
is "a build that does not say its flags" 1 "" "^stoker bench: $dir/hangs took longer than 10 s, and was ended$"
run bench "$model" $quick --against '--kv q8_0'
is "settings that change answers" 1 "" "A and B answer differently"
run bench "$model" $quick --against '-ctk q8_0 -ctv q8_0'
is "settings in llama-bench's words" 1 "" "A and B answer differently"
run bench "$model" $quick --against '-t 2' --log "$dir/absent/log"
is "a log that cannot be written" 1 "" "--log $dir/absent/log: No such file"

# ---- bounds of both sides ------------------------------------------------------------------------------------------------
roofs="-t 1 --memory max -p 8 -n 4 --no-warmup --pairs 5 --effect 100 --root $dir/no"
of() { sed -n "$1s/.*\"$2\":\"*\([^\",]*\).*/\1/p" "$dir/out"; } # of LINE KEY
run bench "$model" $roofs --against-binary "$dir/roofed" --log "$dir/bounds" -o jsonl
for line in 1 2; do
    echo "$(of $line a_ts) $(of $line a_bound_ts) $(of $line a_efficiency) $(of $line b_ts) $(of $line b_efficiency)" >"$dir/sides"
    [ "$(of $line b_bound_ts) $(of $line b_bound_by)" = "500.0 drive" ] && of $line a_bound_by | grep -Eq '^(memory|products)$' &&
        awk '{ exit !($1 > 0 && $2 > 0 && $3 * $2 > 0.999 * $1 && $3 * $2 < 1.001 * $1 && $5 * 500 > 0.999 * $4 && $5 * 500 < 1.001 * $4) }' "$dir/sides" && pass ||
        fail "bounds of a verdict, line $line" "$(cat "$dir/sides"), $(cat "$dir/out")"
done
sed -n 's/^bench \(--no-roofs\)* *-r .* -o json$/run \1/p' "$dir/roofed.calls" | uniq -c | tr -s ' ' >"$dir/runs" # roofs before the pairs and behind them
tr "\n" ";" <"$dir/runs" | grep -Eq "^ 1 run ; [5-7] run --no-roofs; 1 run ;$" && pass || fail "bounds of a verdict" "roofs were measured otherwise: $(cat "$dir/runs")"
run bench --log "$dir/bounds" --table
is "bounds in a log" 0 '^\|[^|]*\| tg4  .*\| +[0-9.]+ \| +[0-9.]+, [0-9]+ % \| +[0-9.]+ \| +500.00, [0-9]+ % \|' ""
sed 's/"a_bound_ts.*"a_efficiency":[0-9.]*,//' "$dir/bounds" >"$dir/untold_bounds"
run bench --log "$dir/untold_bounds" --table
is "a log without A's bounds" 0 '^\|[^|]*\| tg4  .*\| +[0-9.]+ \| +\| +[0-9.]+ \| +500.00, [0-9]+ % \|' ""
run bench "$model" $roofs -n 0 --against-binary "$dir/roofless"
is "bounds in the table" 0 '^\| +pp8 \| +[0-9.]+ \[[^|]*\| +[0-9.]+, [0-9]+ % \| +[0-9.]+ \[[^|]*\| +\|' "^stoker bench: no bounds of B, since its roofs take memory"
is "bounds in its head" 0 '^\| +test \| +A t/s [^|]*\| A bound, efficiency \| +B t/s [^|]*\| B bound, efficiency \|' "."
build_that moves 's/"roof_memory":[0-9]*/"roof_memory":'"'"'$(wc -l <"$0.calls")'"'"'000000000/'
run bench "$model" $roofs -n 0 --against-binary "$dir/moves"
is "a machine that changed" 0 ' pp8 ' '^stoker bench: the roof of memory of B went from [0-9]+ to [0-9]+ GB/s while this was measured \([0-9]+ %\)'
cat >"$dir/breaks" <<END # when roofs are measured again
#!/bin/sh
case "\$*" in *--no-roofs* | *--help | *--digest) ;; *) echo >>"$dir/described" && [ "\$(wc -l <"$dir/described")" -lt 2 ] || exit 3 ;; esac
exec "$dir/roofed" "\$@"
END
chmod +x "$dir/breaks"
run bench "$model" $roofs --against-binary "$dir/breaks" --log "$dir/broken" -o jsonl
is "a last run that fails" 0 '"b_bound_ts":500.0,' "^stoker bench: whether a roof of B moved is not known, since the run that measures them again failed; "
[ "$(wc -l <"$dir/described")" -eq 2 ] && [ "$(wc -l <"$dir/broken")" -eq 2 ] && pass || fail "a last run that fails" "$(wc -l <"$dir/described") runs with roofs, $(wc -l <"$dir/broken") lines in the log"
run bench "$model" $roofs --no-roofs --against '--chunk 16' -o jsonl
is "--no-roofs of a comparison" 0 '"verdict"' ""
grep -q 'bound\|efficiency' "$dir/out" && fail "--no-roofs of a comparison" "has bounds" || pass

# ---- a peer --------------------------------------------------------------------------------------------------------------
peer() { # peer BODY: a llama-bench that does this
    printf '#!/bin/sh\necho "$*" >>"%s/peer.calls"\n%s\n' "$dir" "$1" >"$dir/peer"
    chmod +x "$dir/peer"
    rm -f "$dir/peer.calls"
}
peer 'echo "[{\"n_prompt\":8,\"n_gen\":0,\"avg_ns\":1,\"n_threads\":1}]"'
run bench "$model" $quick -t 1 --against-llama-bench "$dir/peer" -o jsonl
is "a peer" 0 '"against":"llama-bench",.*"outputs":"not compared","verdict":"faster","ratio"' ""
[ "$(sort -u "$dir/peer.calls")" = "-m $model -t 1 -ctk f16 -ctv f16 -r 1 -p 8 -n 0 --no-warmup -o json" ] && pass || fail "a peer" "was called: $(sort -u "$dir/peer.calls")"
run bench "$model" $quick -t1 -p8 --no-warmup --against-llama-bench "$dir/peer" -o jsonl
grep -q -- "-m $model -t 1 -ctk f16 -ctv f16 -r 1 .*-p 8 --no-warmup -o json$" "$dir/peer.calls" && pass || fail "flags with their numbers" "was called: $(tail -n 1 "$dir/peer.calls")"
path=$PATH
PATH=$dir:$PATH
run bench "$model" $quick -t 1 --against-llama-bench peer -o jsonl
PATH=$path
is "a peer by its name" 0 '"against":"llama-bench"' ""
deep=$dir/$(printf '%0200d/%0200d' 1 2)
mkdir -p "$deep" && ln -s "$model" "$deep/model.gguf"
run bench "$deep/model.gguf" $quick -t 1 --against-llama-bench "$dir/peer" -o jsonl
is "a model in a deep folder" 0 '"against":"llama-bench"' ""
grep -q -- "-m $deep/model.gguf -t 1" "$dir/peer.calls" && pass || fail "a model in a deep folder" "was called: $(tail -n 1 "$dir/peer.calls")"
peer 'echo one >&2; echo "cannot load it" >&2; exit 3'
run bench "$model" $quick --against-llama-bench "$dir/peer"
is "a peer that fails" 1 "" "$dir/peer ended with 3; its last line: cannot load it$"
peer 'head -c 100000000 /dev/zero'
run bench "$model" $quick --against-llama-bench "$dir/peer"
is "a peer without an end" 1 "" "^stoker bench: $dir/peer wrote more than 64 MiB to stdout"
peer 'kill -9 $$'
run bench "$model" $quick --against-llama-bench "$dir/peer"
is "a peer that is killed" 1 "" "$dir/peer was ended by signal 9 .*, and wrote nothing"
peer 'echo "a table"; echo "no such form" >&2'
run bench "$model" $quick --against-llama-bench "$dir/peer"
is "a peer without JSON" 1 "" "wrote no table of at most 16 tests as JSON; its last line: no such form"
peer 'echo "[{\"n_prompt\":9,\"n_gen\":0,\"avg_ns\":1,\"n_threads\":1}]"'
run bench "$model" $quick --against-llama-bench "$dir/peer"
is "a peer's other tests" 1 "" "A and B do not measure the same tests"
run bench "$model" $quick --against-llama-bench "$dir/absent"
is "a peer that is not there" 1 "" "$dir/absent cannot be started: No such file"

peer 'trap "echo ended >>\"'"$dir"'/ended\"; exit 1" TERM; touch "'"$dir"'/begun"; while :; do sleep 0.05; done'
"$stoker" bench "$model" $quick --against-llama-bench "$dir/peer" >/dev/null 2>&1 &
while [ ! -e "$dir/begun" ]; do sleep 0.05; done
kill "$!" && wait "$!"
n=0
while [ ! -e "$dir/ended" ] && [ $((n += 1)) -lt 200 ]; do sleep 0.05; done
[ -e "$dir/ended" ] && pass || fail "a peer whose bench is ended" "goes on"

# ---- void pairs: the host takes more than 2 % of B's runs, at first ---------------------------------------------------------
# A digest of a prompt that is longer than a chunk: of the same bits whatever the chunk is.
run bench "$ember" --digest --digest-tokens 600 --ctx 1024
is "--digest-tokens" 0 '^\{"prompt_tokens":600,"answer_tokens":16,' ""
cp "$dir/out" "$dir/digest"
run bench "$ember" --digest --digest-tokens 600 --ctx 1024 --chunk 128
cmp -s "$dir/out" "$dir/digest" && pass || fail "--digest-tokens" "another chunk answers otherwise"
run bench "$ember" --digest --digest-tokens 5000 --ctx 1024
is "--digest-tokens beyond the context" 0 '^\{"prompt_tokens":1007,"answer_tokens":16,' ""

mkdir -p "$dir/root/proc"
echo "cpu 100 0 0 900 0 0 0 0 0 0" >"$dir/root/proc/stat"
peer 'n=$(wc -l <"'"$dir"'/peer.calls"); [ $n -gt 3 ] || echo "cpu 100 0 0 900 0 0 0 $((100 * n)) 0 0" >"'"$dir"'/root/proc/stat"
echo "[{\"n_prompt\":8,\"n_gen\":0,\"avg_ns\":1,\"n_threads\":1}]"'
run bench "$model" --no-roofs --memory min -p 8 -n 0 --no-warmup --pairs 5 --effect 100 --root "$dir/root" --against-llama-bench "$dir/peer" -o jsonl
is "void pairs" 0 '"pairs":[0-9]+,"voided":3,' ""
# Of 64 cores the host took 10 s of one, of a run of one thread that was shorter: all of it, and not a thousandth of the machine's time.
peer 'n=$(wc -l <"'"$dir"'/peer.calls"); [ $n -gt 1 ] || echo "cpu 100 0 0 1000900 0 0 0 1000 0 0" >"'"$dir"'/root/proc/stat"
echo "[{\"n_prompt\":8,\"n_gen\":0,\"avg_ns\":1,\"n_threads\":1}]"'
echo "cpu 100 0 0 900 0 0 0 0 0 0" >"$dir/root/proc/stat"
run bench "$model" --no-roofs --memory min -p 8 -n 0 --no-warmup --pairs 5 --effect 100 --root "$dir/root" --against-llama-bench "$dir/peer" -o jsonl
is "a void pair on many cores" 0 '"pairs":[0-9]+,"voided":1,' ""
peer 'echo "cpu 100 0 0 900 0 0 0 $(date +%s%N) 0 0" >"'"$dir"'/root/proc/stat"
echo "[{\"n_prompt\":8,\"n_gen\":0,\"avg_ns\":1,\"n_threads\":1}]"'
run bench "$model" --no-roofs --memory min -p 8 -n 0 --no-warmup --pairs 5 --effect 100 --root "$dir/root" --against-llama-bench "$dir/peer"
is "nothing but void pairs" 1 "" "of [0-9]+ pairs were void, .* or give --steal$"
run bench "$model" --no-roofs --memory min -p 8 -n 0 --no-warmup --pairs 5 --effect 100 --root "$dir/root" --steal 100 --against-llama-bench "$dir/peer"
is "--steal 100" 0 ' faster ' ""

# ---- the log -------------------------------------------------------------------------------------------------------------
[ "$(wc -l <"$dir/log")" -eq 2 ] && pass || fail "the log" "has not two lines"
run bench --log "$dir/log" --table
is "--table" 0 '^best of .*: [0-9.]+ tokens/s with [^ ]*/fast ' ""
grep -q '| faster  *| kept  *|' "$dir/out" && grep -q '| slower  *| dropped  *|' "$dir/out" && pass || fail "--table" "not both experiments"
cp "$dir/log" "$dir/whole"

# What answers otherwise is never kept, however fast; a build is kept or dropped as a whole.
run bench "$model" $quick --against-binary "$dir/hasty" --unequal --log "$dir/others" -o jsonl
is "a faster build that answers differently" 0 '"outputs":"unequal","verdict":"faster","decision":"dropped"' ""
sed 's/"decision":"dropped"/"decision":"kept"/' "$dir/others" >"$dir/before" # as logs from before have it
for log in others before; do
    run bench --log "$dir/$log" --table
    is "--table of outputs that differ" 0 '\| faster +\| (dropped|kept   ) \| unequal +\|' ""
    grep -q '^best of .*/hasty' "$dir/out" && fail "the best so far, $log" "answers otherwise" || pass
done
run bench "$model" $quick -p 8,16 --against-binary "$dir/mixed" -o jsonl
is "faster and slower" 0 '"test":"pp8",.*"verdict":"faster","decision":"dropped"' ""
grep -q '"test":"pp16",.*"verdict":"slower","decision":"dropped"' "$dir/out" && pass || fail "faster and slower" "is not dropped as a whole"
damaged() { # damaged WHAT SENTENCE: $dir/log is named, left alone, and another is written beside
    cp "$dir/log" "$dir/before"
    rm -f "$dir/log".[2-9]
    run bench "$model" $quick --unequal --against-binary "$dir/fast" --log "$dir/log"
    is "$1" 0 ' faster ' "^stoker bench: --log $dir/log: $2; it is left alone, and $dir/log.2 is written$"
    cmp -s "$dir/log" "$dir/before" && [ "$(wc -l <"$dir/log.2")" -eq 1 ] && pass || fail "$1" "the logs are not as they should be"
}
head -c 700 "$dir/whole" >"$dir/log"
damaged "a log that is cut" "line [12] is cut off"
run bench "$model" $quick --against-binary "$dir/slow" --log "$dir/log"
[ "$(wc -l <"$dir/log.2")" -eq 2 ] && [ ! -e "$dir/log.3" ] && pass || fail "the log beside" "is not gone on with"
run bench --log "$dir/log" --table
is "--table of it" 1 'test' "line [12] is cut off$"
sed '2s/"log_version":2/"log_version":1/' "$dir/whole" >"$dir/log"
damaged "a log of another version" "line 2 is of version 1, and this stoker writes version 2"
sed '2s/"machine":"/&another /' "$dir/whole" >"$dir/log"
damaged "a log of another machine" "line 2 is of another machine"
run bench --log "$dir/log" --table
is "--table of two machines" 0 '^best of \["another [^"]*",' ""
[ "$(grep -c '^best of ' "$dir/out")" -eq 2 ] && pass || fail "--table of two machines" "mixes them"
n=$(wc -c <"$dir/whole")
for at in 1 2 400 $((n / 2)) $((n - 2)) $((n - 1)); do
    head -c $at "$dir/whole" >"$dir/cut"
    run bench --log "$dir/cut" --table
    is "cut at $at" 1 "tokens|test" "--log $dir/cut: line [12] is cut off$"
done
while IFS='|' read -r line sentence; do
    printf '%s\n' "$line" >"$dir/cut"
    run bench --log "$dir/cut" --table
    is "a log of $line" 1 "test" "--log $dir/cut: $sentence"
done <<'END'
{"log_version":2}|line 1 lacks what an experiment has
{}|line 1 is no experiment
[1|line 1 is no experiment
|line 1 is no experiment
END
run bench --log "$dir/absent" --table
is "no log" 1 "" "--log $dir/absent: cannot be opened: No such file"

# ---- what is refused -----------------------------------------------------------------------------------------------------
run bench "$model" $quick --against '--nosuch 1'
is "flags that are none" 2 "" "^stoker bench: --nosuch is not a flag"
run bench "$model" $quick --against '--threads'
is "a flag without its value" 2 "" "^stoker bench: --threads needs a value$"
while read -r flag; do # within the flags of B what is of both sides would do nothing
    run bench "$model" $quick --against "--threads 1 $flag"
    is "$flag of one side" 2 "" "^stoker bench: --against --threads 1 $flag: $(echo "${flag%%[ =]*}" | tr _ -) is of the comparison, not of one side; give it beside --against$"
done <<'END'
--pairs 9
-r 5
--effect=3
--steal 5
--unequal
--log x
--root /
--progress
-o json
-oe md
--against=-t1
--against_binary x
--against-llama-bench x
END
run bench "$model" $quick --against '--threads 1 --no-roofs --no-config --no-profile'
is "flags that a side may have" 0 '^outputs: equal$' ""
run bench "$model" $quick -t 1 --against '--threads 2'
is "a setting by two names" 2 "" "^stoker bench: -t N: --threads is given too"
run bench "$model" -p 8 -n 0 -t 1,2 --against '--chunk 16'
is "a list of settings" 1 "" "one setting a side"
while IFS='|' read -r flags sentence; do
    run bench "$model" $flags
    is "$flags" 2 "" "$sentence"
done <<'END'
--against -x --against-binary y|--against -x: of --against, .* one is possible
--against -x --digest|--mask, --digest and --table compare nothing
--against -x -o csv|-o csv: a comparison is shown as md, json or jsonl
--log x|--log x: experiments are logged with --against
--table|--table: --log FILE names the log
--against -x --pairs 4|--pairs 4: whole numbers from 5 to 1000
-t 1 --threads 2|-t N: --threads is given too
-ub 8 --chunk 8|-ub N: --chunk is given too
-ctk f16 --kv f16|-ctk TYPE: --kv is given too
-dio 1 --reader uring|-dio N: --reader is given too
END
run bench "$model" -p 8 -n 4 --digest
is "--digest" 0 '^\{"prompt_tokens":7,"answer_tokens":8,"ids":"[0-9a-f]{16}","logits":"[0-9a-f]{16}"\}$' ""
cp "$dir/out" "$dir/digest"
for flags in "-t 1" "--chunk 1" "--memory min" "--cpu-tier scalar"; do
    run bench "$model" -p 8 -n 4 --digest $flags
    cmp -s "$dir/out" "$dir/digest" && pass || fail "--digest $flags" "differs"
done
done_testing
