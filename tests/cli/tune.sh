# stoker tune and its profiles: who takes them, what is over them, which are left alone; nothing here asks how fast anything was.
. tests/cli/harness

unset STOKER_NO_CONFIG
export XDG_CONFIG_HOME="$dir/home"
profiles=$XDG_CONFIG_HOME/stoker/profiles
memory=74M

# One run of it: small, and the experts are streamed, so that readers are measured too.
run tune --memory $memory --ctx 64 --seconds 90 --root "$dir/no"
is "tune" 0 "" "^stoker tune: profile $profiles/[0-9a-f]{16}-[0-9a-f]{8}-77594624.toml$"
for line in 'the defaults with themselves: pair 3 of 3, ends within [0-9]+ s' '--reader threads: ' '--reader-depth 8: '; do
    grep -Eq -- "^stoker tune: $line" "$dir/err" && pass || fail "tune" "does not say $line"
done
profile=$(echo "$profiles"/*.toml)
[ -f "$profile" ] && [ "$(tail -n 1 "$profile")" = "whole = true" ] && pass || fail "tune" "left no whole profile"
key=$(sed -n '/^version/p; /^model/p; /^machine/p; /^memory/p' "$profile")
# plant SETTINGS [PATH]: a whole profile for this machine, which claims to stand on more than any search has
claim='pairs = 99
tokens = 999999
values = 99'
plant() { printf '[profile]\n%s\n%s\n[settings]\n%b\n[end]\nwhole = true\n' "$key" "$claim" "$1" >"${2-$profile}"; }
ask() { run run -p 'Spell cat.' --temp 0 --memory $memory "$@"; }

# ---- who takes it, and what is over it ----------------------------------------------------------------------------------------
plant ''
ask
is "a profile that sets nothing" 0 "=C-A-T." ""
plant 'threads = 1\nchunk = 3\nreader = "threads"\nreader-depth = 1'
named="^stoker: profile $profile: "
ask
is "run" 0 "=C-A-T." "${named}threads 1, chunk 3, reader threads, reader-depth 1; --no-profile ignores it$"
ask --no-profile
is "--no-profile" 0 "=C-A-T." ""
ask --threads 2
is "a flag is over it" 0 "=C-A-T." "${named}chunk 3, reader threads, reader-depth 1; "
ask --reader threads
is "a reader has a depth of its own" 0 "=C-A-T." "${named}threads 1, chunk 3; "
STOKER_CHUNK=64 ask
is "a variable is over it" 0 "=C-A-T." "${named}threads 1, reader threads, reader-depth 1; "
printf '[run]\nthreads = 2\n' >"$dir/own.toml"
STOKER_CONFIG=$dir/own.toml ask
is "settings are over it" 0 "=C-A-T." "${named}chunk 3, reader threads, reader-depth 1; "
ask --no-config
is "--no-config" 0 "=C-A-T." ""
run run -p 'Spell cat.' --temp 0 --memory 80M
is "another budget" 0 "=C-A-T." ""
ask --json --print-config
is "--print-config" 0 '"chunk":\{"value":"3","from":"[^"]*toml"\}' "$named"
run bench --memory $memory -p 4 -n 0 -r 1 --no-roofs --no-warmup -o csv
is "bench" 0 '^build' "${named}threads 1, chunk 3"
run config run "$ember" --memory $memory --reader uring
is "stoker config" 0 "^threads = 1 # $profile$" ""
in_out() { grep -Eq -- "$2" "$dir/out" && pass || fail "$1" "does not show $2"; }
in_out "stoker config" "^chunk = 3 # $profile$"
in_out "stoker config" '^reader = "uring" # flag$'
grep -q reader-depth "$dir/out" && fail "stoker config" "shows a depth of another reader" || pass
odd="$dir/$(printf 'h\n\033')"
mkdir -p "$odd"
cp -R "$XDG_CONFIG_HOME/stoker" "$odd"
XDG_CONFIG_HOME=$odd run config run "$ember" --memory $memory
in_out "stoker config, in a folder of two lines" '^chunk = 3 # .*/h\?\?/stoker/profiles/.*toml$'
rm -r "$odd"
run config bench "$ember" --memory $memory -t 2
in_out "stoker config bench" "^chunk = 3 # $profile$"
in_out "stoker config bench" '^t = "?2"? # flag$'
run config run "$ember" --memory $memory --no-profile
grep -q profiles "$dir/out" && fail "stoker config --no-profile" "shows a profile" || pass
run bench "$ember" --memory $memory -p 4 -n 0 -r 1 --no-roofs --no-warmup -o csv --print-config
is "bench --print-config" 0 '^build' "^threads = 1 # $profile$"
run bench --memory $memory -p 4 -n 0 -r 1 --no-roofs --no-warmup -t 2 -ub 8 -dio 1 -o csv
is "llama-bench's flags are over it" 0 "^build" "${named}nothing is set otherwise; "
# b_is FLAGS BEFORE BEHIND: of --against FLAGS B has the words BEFORE of the profile, and BEHIND of FLAGS
b_is() {
    tests="--memory $memory -p 4 -n 0 --no-warmup"
    run bench $tests --no-roofs --pairs 5 --effect 100 --steal 100 --against "$1" -o jsonl
    is "bench --against '$1'" 0 "\"a\":\"--threads=1 --chunk=3 --reader=threads --reader-depth=1 $tests [^ \"]*\",\"b\":\"$2$tests$3 [^ \"]*\"" \
        "${named}threads 1, chunk 3, reader threads, reader-depth 1; "
}
b_is --no-profile '' ''
b_is --no-config '' ''
b_is '-t 2' '--chunk=3 --reader=threads --reader-depth=1 ' ' -t 2'
b_is '--reader threads' '--threads=1 --chunk=3 ' ' --reader threads'
run bench --memory $memory --digest
cp "$dir/out" "$dir/with"
run bench --memory $memory --digest --no-profile
cmp -s "$dir/out" "$dir/with" && pass || fail "a profile" "changes what is computed"

# What is set is in effect: by what the engine says of itself, and did.
run bench --memory $memory -p 8 -n 0 -r 1 --no-roofs --no-warmup -o json
for now in '"n_threads":1,' '"n_ubatch":3,' '"backend":"threads"' '"depth_mean":1.0,'; do
    grep -q "$now" "$dir/out" && pass || fail "bench" "$now is not in effect"
done
run bench --memory $memory -p 8 -n 0 -r 1 --no-roofs --no-warmup -o json --no-profile
for now in '"n_ubatch":3,' '"depth_mean":1.0,'; do
    grep -q "$now" "$dir/out" && fail "bench --no-profile" "$now is in effect" || pass
done
ask --stats full
for now in '^threads +1$' '^chunk +3$' '^backend +threads$' '^depth_mean +1.0$'; do
    grep -Eq "$now" "$dir/err" && pass || fail "run" "$now is not in effect"
done
run serve --memory $memory --ctx 64 --parallel 1 --cache-ram 0 --port 999999
is "serve: a wrong flag" 2 "" "--port 999999"
: >"$dir/out" # not what the last one said
"$stoker" serve --memory 500M --ctx 64 --parallel 1 --cache-ram 0 --port 0 >"$dir/out" 2>"$dir/err" &
server=$!
wait_for 60 grep -q listening "$dir/out"
kill $server
wait $server
grep -q profile "$dir/err" && fail "serve" "has a profile of another budget" || pass
plant 'threads = 1' "$(echo "$profile" | sed 's/77594624/524288000/')"
sed -i 's/77594624/524288000/' "$profiles"/*-524288000.toml
: >"$dir/out" # not what the last one said
"$stoker" serve --memory 500M --ctx 64 --parallel 1 --cache-ram 0 --port 0 >"$dir/out" 2>"$dir/err" &
server=$!
wait_for 60 grep -q listening "$dir/out"
kill $server
wait $server
grep -q "^stoker: profile .*-524288000.toml: threads 1; " "$dir/err" && pass || fail "serve" "does not name its profile"

# Threads without work stay awake as long as the profile says, by what the kernel says of them; a flag is over it.
sed -i 's/^threads = 1$/threads = 2\nspin = 10000/' "$profiles"/*-524288000.toml
answered() { # answered FLAG...: a server that has answered, as $server
    : >"$dir/out"
    "$stoker" serve --memory 500M --ctx 64 --parallel 1 --cache-ram 0 --port 0 "$@" >"$dir/out" 2>"$dir/err" &
    server=$!
    wait_for 60 grep -q listening "$dir/out"
    at=$(sed 's/^listening on //' "$dir/out")
    wait_for 60 curl -sf -o /dev/null "$at/health"
    curl -sf -o /dev/null -d '{"prompt":"a","max_tokens":4}' "$at/v1/completions" || fail "serve" "does not answer"
}
one_is_awake() { cat /proc/$server/task/*/stat | sed 's/.*) //' | grep -q '^R'; }
all_sleep() { ! one_is_awake; }
if command -v curl >/dev/null; then
    answered
    grep -q "^stoker: profile .*-524288000.toml: threads 2, spin 10000; " "$dir/err" && pass || fail "serve" "does not name its profile"
    for i in 1 2 3 4 5 6; do
        sleep 0.1
        one_is_awake || break
    done
    one_is_awake && pass || fail "spin = 10000" "all threads sleep after 0.6 s"
    kill $server
    wait $server
    answered --spin 0.001
    grep -q "^stoker: profile .*-524288000.toml: threads 2; " "$dir/err" && pass || fail "--spin" "is not over the profile"
    wait_for 5 all_sleep && pass || fail "--spin 0.001" "a thread is awake after 5 s"
    kill $server
    wait $server
else
    skip "threads that stay awake" "curl is not installed"
fi
rm "$profiles"/*-524288000.toml
for ms in 0.001 10000; do
    run bench --memory $memory --digest --no-profile --threads 2 --spin $ms
    cmp -s "$dir/out" "$dir/with" && pass || fail "--spin $ms" "changes what is computed"
done

# A type of keys and values changes answers: it has a table of its own, and is named so.
plant 'threads = 1\n[asked]\nkv = "q8_0"'
ask
is "a type that was asked for" 0 "." "${named}threads 1, kv q8_0, which changes answers, as tune was asked to; --no-profile ignores it$"
run bench --memory $memory -p 8 -n 0 -r 1 --no-roofs --no-warmup -o json
is "bench: a type that was asked for" 0 '"type_k":"q8_0"' "${named}threads 1, kv q8_0, which changes answers"
run bench --memory $memory -p 8 -n 0 -r 1 --no-roofs --no-warmup -o json -ctk f16 -ctv f16
is "-ctk is over it" 0 '"type_k":"f16"' "${named}threads 1; "
ask --kv f16
is "--kv is over it" 0 "=C-A-T." "${named}threads 1; "
run config run "$ember" --memory $memory
in_out "stoker config" "^kv = \"q8_0\" # $profile$"
plant 'threads = 1\nchunk = 65536\nreader = "buffered"'
ask
is "what does not fit is left out" 0 "=C-A-T." "${named}threads 1, chunk 65536 does not fit, reader buffered does not fit; "

# The unit's service is another user, who has no home: by the unit's own words.
unit=packaging/stoker.service
plant 'threads = 1'
sed -n 's/^# *sudo \(install .*\)/\1/p' $unit | sed "s,/etc,$dir/etc,; s,~/.config,$XDG_CONFIG_HOME," >"$dir/copy"
sh "$dir/copy"
nobody=
chmod 755 "$dir"
cp "$stoker" "$ember" "$dir"
if [ "$(id -u)" -eq 0 ] && setpriv --reuid 65534 --clear-groups test -x "$dir/stoker" 2>/dev/null; then
    nobody="setpriv --reuid 65534 --clear-groups"
fi
home=$(sed -n 's/^Environment=.*XDG_CONFIG_HOME=\([^ ]*\).*/\1/p' $unit)
env -u HOME XDG_CONFIG_HOME="$dir$home" \
    $nobody "$dir/stoker" run -p 'Spell cat.' --temp 0 --memory $memory >"$dir/out" 2>"$dir/err" </dev/null
status=$?
is "a profile of the service" 0 "=C-A-T." "^stoker: profile $dir/etc/stoker/profiles/$(basename "$profile"): threads 1; "
rm "$dir/stoker" "$dir/ember.gguf"

# A context that the tests take, not the default one: a chunk that fits beside 1,024 positions and not beside 4,096.
deep=$(echo "$profile" | sed 's/77594624/83886080/')
plant 'chunk = 2048' "$deep"
sed -i 's/77594624/83886080/' "$deep"
run bench --memory 80M -p 4 -n 0 -d 4000 -r 1 --no-roofs --no-warmup -o csv
is "bench: a depth" 0 '^build' "^stoker: profile $deep: chunk 2048 does not fit; "
run bench --memory 80M -p 4 -n 0 -r 1 --no-roofs --no-warmup -o json
is "bench without a depth" 0 '"n_ubatch":2048' "^stoker: profile $deep: chunk 2048; "
rm "$deep"

# ---- what is left alone -------------------------------------------------------------------------------------------------------
# left WHAT: the profile is named, without effect, and as it was
left() {
    cp "$profile" "$dir/before"
    ask
    is "$1" 0 "=C-A-T." "^stoker: profile $profile $2, and is left alone$"
    cmp -s "$profile" "$dir/before" && pass || fail "$1" "was changed"
}
plant 'threads = 1'
cp "$profile" "$dir/whole"
size=$(wc -c <"$profile")
for n in 0 1 $((size / 4)) $((size / 2)) $((size - 20)) $((size - 8)) $((size - 3)); do
    head -c $n "$dir/whole" >"$profile"
    left "cut at $n" "is cut.*"
done
sed 's/^version = 1/version = 2/' "$dir/whole" >"$profile"
left "another version" "is of another version of stoker"
sed 's/^machine = .*/machine = "Z80, 1 cores, scalar"/' "$dir/whole" >"$profile"
left "another machine" "is of another machine"
sed 's/^model = .*/model = "0000000000000000"/' "$dir/whole" >"$profile"
left "another model" "is of another model or budget"
for setting in 'threads = 0' 'threads = "two"' 'reader = "tape"' 'kv = "q8_0"' 'reader-depth = 99999' 'spin = 0' 'spin = "long"'; do
    plant "$setting"
    left "$setting" "has a setting that no profile has"
done
for setting in 'kv = "f16"' 'kv = "q3"' 'threads = 1' 'kv = ["q8_0", "f32"]'; do
    plant "[asked]\\n$setting"
    left "asked: $setting" "has a setting that no profile has"
done
# more WHAT SED: a profile with more than tune writes
more() {
    sed "$2" "$dir/whole" >"$profile"
    left "$1" "has a table or key that no profile has"
}
more "a table" 's/^\[end\]/[evil]\nthreads = 2\n[end]/'
more "a table without keys" 's/^\[end\]/[evil]\n[end]/'
more "a key of the profile" 's/^pairs = /evil = 1\n&/'
more "a key of the end" 's/^whole = /evil = 1\n&/'
more "a key before all tables" '1s/^/whole = true\n/'
more "a key of another table" 's/^pairs = /threads = 2\n&/'
head -c 1000 /dev/urandom >"$profile"
left "noise" "is cut or damaged"
cp "$profile" "$dir/noise"
beside=$(echo "$profile" | sed 's/\.toml$/-2.toml/')
plant 'chunk = 3\nthreads = 1\nreader-depth = 1' "$beside"
ask
is "one beside it" 0 "=C-A-T." "^stoker: profile $beside: threads 1, chunk 3, reader-depth 1; "

# ---- interrupted, and repaired ------------------------------------------------------------------------------------------------
cp "$beside" "$dir/before"
setsid sh -c 'trap - INT; exec "$@"' sh "$stoker" tune --memory $memory --ctx 64 --seconds 90 --root "$dir/no" >"$dir/out" 2>"$dir/err" &
tuning=$!
wait_for 60 grep -q "pair 2 of" "$dir/err"
kill -TERM $tuning
wait $tuning
[ $? -gt 128 ] && pass || fail "a signal" "does not end tune"
cmp -s "$beside" "$dir/before" && pass || fail "interrupted before anything was taken" "the old profile is gone"
run tune --memory $memory --ctx 64 --seconds 90 --root "$dir/no"
is "tune again" 0 "" "^stoker tune: profile $beside$"
cmp -s "$profile" "$dir/noise" && pass || fail "tune" "wrote over what is damaged"
grep -q '^stoker tune: --threads 1 --chunk 3 --reader-depth 1 of the old profile: ' "$dir/err" && pass || fail "tune" "did not measure the old profile"
if grep -q 'of the old profile: faster' "$dir/err"; then
    skip "what was wrong on purpose is gone" "it was faster"
else
    grep -Eq '^chunk = 3$|^reader-depth = 1$' "$beside" && fail "tune" "kept what was wrong on purpose" || pass
fi
[ "$(grep -c "is left alone" "$dir/err")" -eq 1 ] && pass || fail "tune" "does not name what is damaged once"
ask
sets=$(sed -n '/^\[settings\]/,/^\[end\]/p' "$beside" | grep -c ' = ')
[ "$sets" -eq 0 ] && named="left alone$" || named="^stoker: profile $beside: "
is "the new one" 0 "=C-A-T." "$named"
ls "$profiles" | grep -qv '\.toml$' && fail "tune" "left a part of a file" || pass

# ---- how large the measurements are: a stoker of which everything is planted ---------------------------------------------------
# stand_in SECONDS [LINES]: a run takes so long by what it says; LINES may change $ns, and what is answered, by the words in $*
stand_in() {
    cat >"$dir/stand-in" <<EOF
#!/bin/sh
answer=same
case "\$*" in *--help*) echo "--no-roofs --digest"; exit ;; esac
echo "\$*" >>"$dir/calls"
n=\$(wc -l <"$dir/calls")
ns=\$(awk -v s=$1 -v n=\$n 'BEGIN { printf "%.0f", s * 1e9 * (1 + n % 3 / 500) }')
${2-}
case "\$*" in
*--digest) echo "\$answer" ;;
*) echo '[{"n_prompt":1,"n_gen":1,"n_depth":0,"n_threads":1,"type_k":"f16","model_filename":"m","avg_ns":'\$ns'}]' ;;
esac
EOF
    chmod +x "$dir/stand-in"
    : >"$dir/calls"
}
# said WHAT TEXT: the last run said so; in WHAT FILE TEXT: so does the file
said() { grep -Eq -- "$2" "$dir/err" && pass || fail "$1" "does not say $2"; }
in_file() { grep -Eq -- "$3" "$2" && pass || fail "$1" "$(basename "$2") has no $3"; }
tune() { run tune --memory 100M --ctx 4096 --binary "$dir/stand-in" --root "$dir/root" "$@"; }
faster='case "$*" in *"--chunk 256"*) ns=$((ns * 8 / 10)) ;; esac'
slow=$profiles/$(basename "$profile" | sed 's/77594624/104857600/')

stand_in 16 "$faster
case \"\$*\" in *'--threads 1'*) ns=\$((ns / 2)) ;; esac"
tune
is "tune of a slow model" 0 "" "^stoker tune: runs of 16,8 tokens, some 16.[0-9] s each; what seems faster is compared by 3 pairs$"
in_file "of a slow model" "$slow" '^pairs = 3$'
in_file "of a slow model" "$slow" '^tokens = 24$'
in_file "what is faster" "$slow" '^threads = 1$'
in_file "runs of a slow model" "$dir/calls" '--no-warmup'
grep -q -- '--chunk' "$dir/calls" && fail "short prompts" "chunks were tried" || pass

stand_in 0.01 "$faster
case \"\$*\" in *--threads*) ns=\$((ns / 2)); answer=other ;; esac"
tune
is "tune of a fast model" 0 "" "^stoker tune: runs of 2048,32 tokens, warmed up, some 0.[0-9] s each; what seems faster is compared by [3-5] pairs$"
said "another answer" '--threads 1: left out: it answers otherwise'
in_file "better founded" "$slow" '^pairs = 12$'
in_file "better founded" "$slow" '^tokens = 2080$'
in_file "what is faster" "$slow" '^chunk = 256$'
grep -q '^threads' "$slow" && fail "another answer" "was taken" || pass
in_file "outputs are proved" "$dir/calls" '--digest-tokens 2112 .*--chunk 256 --digest$'
cp "$slow" "$dir/founded"

run bench --no-roofs --no-profile --against-binary "$dir/stand-in" --unequal --pairs 5 -p 4 -n 0 --no-warmup
grep -q -- '--no-profile' "$dir/calls" && fail "--no-profile" "reaches a build that may not know it" || pass
grep -q -- '-p 4' "$dir/calls" && pass || fail "--against-binary" "did not run the stand-in"

# Two values, each of which is worth less than runs differ by, are shown together; what seems faster by chance is left out first.
noise='ns=$((ns * (200 + n * 7919 % 13 - 6) / 200))'
little="case \"\$*\" in *'--chunk 256'*) ns=\$((ns * 95 / 100)) ;; esac
case \"\$*\" in *'--spin 50'*) ns=\$((ns * 95 / 100)) ;; esac"
stand_in 0.01 "$noise
$little"
rm -f "$slow"
tune
is "values that are faster together" 0 "" "^stoker tune: --chunk 256 .*--spin 50: faster, "
in_file "values that are faster together" "$slow" '^chunk = 256$'
in_file "values that are faster together" "$slow" '^spin = 50$'
in_file "values that are faster together" "$slow" '^# --chunk 256 .*--spin 50: faster, '

# A machine that becomes slower during the search, by a hundredth each run: what is faster does not seem slower for that.
stand_in 0.01 "ns=\$((ns * (100 + n) / 100))
case \"\$*\" in *'--spin 50 '*) ns=\$((ns * 95 / 100)) ;; esac"
rm -f "$slow"
tune
is "a machine that becomes slower" 0 "" "^stoker tune: --spin 50: faster, 0\.9[45]"
in_file "a machine that becomes slower" "$slow" '^spin = 50$'
# The four that are fastest are looked at again, wherever they stand among the others.
stand_in 0.01 "case \"\$*\" in *'--spin 0.02 '*|*'--spin 1 '*|*'--spin 50 '*) ns=\$((ns * 12 / 10)) ;; *'--chunk 128 '*|*'--chunk 256 '*) ns=\$((ns * 9 / 10)) ;;
*'--chunk 1024 '*|*'--chunk 2048 '*) ns=\$((ns * 95 / 100)) ;; esac"
rm -f "$slow"
tune
for chunk in 128 256 1024 2048; do said "the fastest behind the slowest" "^stoker tune: --chunk $chunk: seems faster, 0\.9.* in 4 runs$"; done
for spin in 0.02 1 50; do said "the slowest before the fastest" "^stoker tune: --spin $spin: left out, 1\.[12].* in 1 run$"; done
# Of three pairs of the defaults with themselves one side is faster by chance: that asks no more of what is compared.
stand_in 0.01 "case \"\$*\" in *'--spin 50 '*) ns=\$((ns * 96 / 100)) ;; esac
case \"\$(tail -n 1 '$dir/err')\" in *'themselves: pair '*) echo >>'$dir/twice'; case \$(wc -l <'$dir/twice') in 2|3|6) ns=\$((ns * 96 / 100)) ;; esac ;; esac"
rm -f "$slow" "$dir/twice"
tune
is "defaults that are faster by chance" 0 "" "^stoker tune: --spin 50: faster, 0\.9[56]"
[ "$(wc -l <"$dir/twice")" -eq 6 ] && pass || fail "defaults that are faster by chance" "are measured otherwise"

# lucky VALUE RATIO: its first four runs, the looks at it, take half the time, all others RATIO percent
lucky() { echo "case \"\$*\" in *'$1 '*) if [ \$(grep -c -- '$1 ' '$dir/calls') -le 4 ]; then ns=\$((ns / 2)); else ns=\$((ns * $2 / 100)); fi ;; esac"; }
stand_in 0.01 "$(lucky '--spin 50' 100)"
rm -f "$slow"
tune
is "a value that seems faster by chance" 0 "" "^stoker tune: nothing was shown to be faster than the defaults, which stay$"
said "a value that seems faster by chance" '--spin 50: seems faster, 0.50[0-9] of the time in 4 runs$'
# Of 12 pairs the median's interval passes over three that are not faster; with the fourth there is nothing more to show.
in_pairs() { echo "case \"\$*\" in *'--spin 50 '*) case \$(grep -c -- '--spin 50 ' '$dir/calls') in $1) ns=\$((ns * 105 / 100)) ;; *) ns=\$((ns / 2)) ;; esac ;; esac"; }
stand_in 0.01 "$(in_pairs '7|9|11')"
rm -f "$slow"
tune
is "three slow pairs of 12" 0 "" "^stoker tune: --spin 50: faster, 0.50[0-9] of the time .* of 12 pairs$"
in_file "three slow pairs of 12" "$slow" '^spin = 50$'
stand_in 0.01 "$(in_pairs '[6-9]|1?')"
rm -f "$slow"
tune
is "more slow pairs" 0 "" "^stoker tune: --spin 50: left out: pairs are not faster, [01]\.[0-9]* of the time in 5$"
[ "$(grep -c -- '--spin 50 ' "$dir/calls")" -eq 9 ] && pass || fail "more slow pairs" "do not end with the fourth"
stand_in 0.01 "$faster
$(lucky '--spin 50' 200)"
tune
is "a value that hides another" 0 "" "^stoker tune: --chunk 256: faster, 0.[78]"
said "a value that hides another" '--chunk 256 --spin 50: left out: '
said "a value that hides another" '^stoker tune: --spin 50: left out: '
in_file "a value that hides another" "$slow" '^chunk = 256$'
grep -q '^spin' "$slow" && fail "a value that hides another" "was taken" || pass
# Of a setting the fastest is compared first; another one where that fails, and where it does not, it is said that nothing is known of it.
runner_up="case \"\$*\" in *'--spin 1 '*) ns=\$((ns * 8 / 10)) ;; esac"
stand_in 0.01 "$runner_up
$(lucky '--spin 50' 200)"
rm -f "$slow"
tune
is "another value of a setting" 0 "" "^stoker tune: --spin 1: faster, 0.[78]"
said "another value of a setting" '^stoker tune: --spin 50: left out: '
in_file "another value of a setting" "$slow" '^spin = 1$'
stand_in 0.01 "$runner_up
case \"\$*\" in *'--spin 50 '*) ns=\$((ns / 2)) ;; esac"
rm -f "$slow"
tune
is "another value that is not compared" 0 "" "^stoker tune: --spin 50: faster, 0.5"
said "another value that is not compared" '^stoker tune: --spin 1: not compared by itself, for something else was taken$'
in_file "another value that is not compared" "$slow" '^# --spin 1: not compared by itself, '
# Depths were looked at with the reader that was best before: they are not combined with another one.
stand_in 0.01 "case \"\$*\" in *'--reader buffered '*) ns=\$((ns * 8 / 10)) ;; *'--reader-depth 16 '*) ns=\$((ns * 85 / 100)) ;; esac"
run tune --memory 71M --ctx 64 --binary "$dir/stand-in" --root "$dir/root"
is "a depth and another reader" 0 "" "^stoker tune: --reader buffered: faster, "
said "a depth and another reader" '^stoker tune: --reader-depth 16: not compared by itself, for something else was taken$'
grep -q -- '--reader buffered .*--reader-depth' "$dir/calls" && fail "a depth and another reader" "were combined" || pass
rm "$profiles"/*-74448896.toml
stand_in 0.01 "$faster
case \"\$*\" in *'--spin 50'*) ns=\$((ns / 2)); answer=other ;; esac"
rm -f "$slow"
tune
is "one of two that answers otherwise" 0 "" "^stoker tune: --chunk 256: faster, 0.[78]"
said "one of two that answers otherwise" '--chunk 256 --spin 50: left out: it answers otherwise$'
said "one of two that answers otherwise" '^stoker tune: --spin 50: left out: it answers otherwise$'

# What takes time: a number of threads that is faster has no more pairs than are planned, which leaves time for the rest, and a type that
# is asked for has its own.
stand_in 0.1 "sleep 0.1
case \"\$*\" in *'--threads 1'*) ns=\$((ns * 93 / 100)) ;; esac
case \"\$*\" in *'--spin 50'*|*'--chunk 256'*) ns=\$((ns * 7 / 10)) ;; esac
case \"\$*\" in *'--kv q8_0'*) ns=\$((ns / 2)); answer=other ;; esac"
rm -f "$slow"
tune --seconds 30 --try-kv q8_0
is "what is behind threads" 0 "" "^stoker tune: profile $slow$"
said "what is behind threads" '^stoker tune: --threads 1: faster, .* of [3-5] pairs$'
in_file "what is behind threads" "$slow" '^threads = 1$'
in_file "what is behind threads" "$slow" '^chunk = 256$'
in_file "what is behind threads" "$slow" '^kv = "q8_0"$'

# Runs that say that they take 10 s: there would be time for 12 pairs, but for those of the type.
stand_in 10 "case \"\$*\" in *'--spin 50 '*) ns=\$((ns * 7 / 10)) ;; *'--kv q8_0'*) ns=\$((ns / 2)); answer=other ;; esac"
rm -f "$slow"
tune --try-kv q8_0
is "the time of a type" 0 "" "^stoker tune: --spin 50: faster, .* of ([3-9]|1[01]) pairs$"
# A proof that takes longer than runs, which nobody waits for here: pairs leave its time, and are not 12 for that.
stand_in 0.5 "case \"\$*\" in *--digest) sleep 4 ;; *'--spin 1 '*) ns=\$((ns * 7 / 10)) ;; esac"
rm -f "$slow"
tune --seconds 20
is "a proof that takes long" 0 "" "^stoker tune: --spin 1: faster, .* of ([3-9]|1[01]) pairs$"
in_file "a proof that takes long" "$slow" '^spin = 1$'

# old SETTINGS: a profile that is there
old() { plant "$1" "$slow" && sed -i 's/77594624/104857600/' "$slow"; }
no_threads() { grep -q '^threads' "$slow" && fail "$1" "the old threads stayed" || pass; }
slower="case \"\$*\" in *'--threads 1'*) ns=\$((ns * 2)) ;; esac"
half="case \"\$*\" in *'--threads 1'*) ns=\$((ns / 2)) ;; esac"

stand_in 0.01 "$faster
$slower"
old 'threads = 1'
tune
is "a wrong profile" 0 "" "^stoker tune: --threads 1 of the old profile: left out: pairs are not faster, [12]\.[0-9]* of the time in 1$"
no_threads "a wrong profile"
in_file "a wrong profile" "$slow" '^chunk = 256$'
in_file "a wrong profile" "$slow" '^pairs = 12$'
stand_in 16 "$slower"
old 'threads = 1'
tune
is "a wrong profile, a coarse search" 0 "" "^stoker tune: profile $slow$"
no_threads "a wrong profile, a coarse search"
in_file "a coarse search" "$slow" '^pairs = 3$'
stand_in 16 "$half"
old 'threads = 1'
tune
is "a right profile" 0 "" "^stoker tune: --threads 1 of the old profile: faster, "
in_file "a right profile" "$slow" '^threads = 1$'
in_file "a right profile" "$slow" '^tokens = 24$'
stand_in 0.01
old 'threads = 1'
tune
is "a profile that is no faster" 0 "" "^stoker tune: nothing was shown to be faster than the defaults, which stay$"
no_threads "a profile that is no faster"
stand_in 0.01 "case \"\$*\" in *'--chunk 256'*) ns=\$((ns / 2)) ;; esac
case \"\$*\" in *'--threads 1'*) ns=\$((ns * 12 / 10)) ;; esac"
old 'threads = 1\nchunk = 256'
tune
is "a value that is wrong among others" 0 "" "^stoker tune: without --threads 1: faster, "
no_threads "a value that is wrong among others"
in_file "a value that is wrong among others" "$slow" '^chunk = 256$'
stand_in 0.01 "case \"\$*\" in *--threads*) ns=\$((ns / 2)); answer=other ;; esac"
old 'threads = 1'
tune
is "an old profile that answers otherwise" 0 "" "^stoker tune: --threads 1 of the old profile: left out: it answers otherwise$"
no_threads "an old profile that answers otherwise"
# A run that should tell what is answered, and fails, is named so: of the value, or of the defaults.
stand_in 0.01 "$faster
case \"\$*\" in *'--chunk 256'*--digest) exit 1 ;; esac"
rm -f "$slow"
tune
is "answers of a value that are not known" 0 "" "^stoker tune: --chunk 256: left out: what it answers is not known, since the run that tells it failed$"
grep -q '^chunk' "$slow" && fail "answers of a value that are not known" "it was taken" || pass
stand_in 0.01 "$faster
case \"\$*\" in *--digest) exit 1 ;; esac"
tune
is "answers of the defaults that are not known" 0 "" "^stoker tune: --chunk 256: left out: what the defaults answer is not known, since the run that tells it failed$"
grep -q '^chunk' "$slow" && fail "answers of the defaults that are not known" "it was taken" || pass
# A profile that cannot be written is told before anything runs.
if [ "$(id -u)" -ne 0 ] || setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
    nobody=$([ "$(id -u)" -ne 0 ] || echo setpriv --reuid 65534 --clear-groups)
    stand_in 0.01
    rm -f "$slow"
    chmod 666 "$dir/calls"
    chmod 755 "$dir" "$XDG_CONFIG_HOME" "$XDG_CONFIG_HOME/stoker"
    chmod 555 "$profiles"
    cp "$stoker" "$ember" "$dir"
    $nobody "$dir/stoker" tune --memory 100M --ctx 4096 --binary "$dir/stand-in" --root "$dir/root" >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    is "a folder of profiles that is read-only" 1 "" "^stoker: profile $slow cannot be written: Permission denied$"
    [ ! -s "$dir/calls" ] && pass || fail "a folder of profiles that is read-only" "runs were made"
    chmod 755 "$profiles"
    rm "$dir/stoker" "$dir/ember.gguf"
else
    skip "a folder of profiles that is read-only" "root writes everywhere, and there is no setpriv"
fi
stand_in 16
old 'chunk = 256'
tune
is "a chunk that short prompts do not have" 0 "" "^stoker tune: --chunk of the old profile: left out: the prompts of runs are too short for it$"
grep -q '^chunk' "$slow" && fail "a chunk that short prompts do not have" "stayed" || pass

# How long threads stay awake: a few values, as long as there is more than one thread.
stand_in 0.01 "case \"\$*\" in *'--spin 50'*) ns=\$((ns * 7 / 10)) ;; esac"
rm -f "$slow"
tune
is "threads that stay awake" 0 "" "^stoker tune: --spin 50: faster, 0.70"
in_file "threads that stay awake" "$slow" '^spin = 50$'
for ms in 0.02 1; do in_file "threads that stay awake" "$dir/calls" "--spin $ms"; done
in_file "threads that stay awake are proved" "$dir/calls" '--spin 50 --digest$'
stand_in 0.01 "$half"
tune
is "one thread" 0 "" "^stoker tune: --spin: not measured: one thread waits for no other$"
said "one thread" '^stoker tune: --spin 50 of the old profile: '
sed -n '/--threads 1/,$p' "$dir/calls" | grep -q -- '--spin' && fail "one thread" "was measured with times awake" || pass

# Types of keys and values: only where they are asked for, behind all else, each whatever it shows; taken by name.
# types Q8_0 F32: a stand-in that takes so many tenths of the time with them, and answers otherwise
types() {
    stand_in 0.01 "$faster
case \"\$*\" in *'--kv q8_0'*) ns=\$((ns * $1 / 10)); answer=other ;; *'--kv f32'*) ns=\$((ns * $2 / 10)); answer=another ;; esac"
}
no_type() { grep -q '^kv\|^\[asked\]' "$slow" && fail "$1" "a type is in the profile" || pass; }
rm -f "$slow"
types 6 15
tune
is "types that nobody asked for" 0 "" "^stoker tune: profile $slow$"
grep -q -- '--kv' "$dir/calls" "$dir/err" && fail "types that nobody asked for" "were measured" || pass
no_type "types that nobody asked for"
types 6 15
tune --try-kv q8_0
is "--try-kv q8_0" 0 "" "^stoker tune: the profile has --kv q8_0, because --try-kv asks for it: it changes answers$"
said "--try-kv q8_0" '^stoker tune: --kv q8_0: faster, 0\.[56][0-9]* of the time \[.*\] of [0-9]+ pairs; answers change with it$'
[ "$(sed -n '/^\[asked\]/,/^\[end\]/p' "$slow" | sed -n 2p)" = 'kv = "q8_0"' ] && pass || fail "--try-kv q8_0" "is not in a table of its own"
in_file "--try-kv q8_0" "$slow" '^# changes answers: '
in_file "--try-kv q8_0, behind the others" "$dir/calls" '--chunk 256 --kv q8_0 '
grep -q -- '--kv f32' "$dir/calls" && fail "--try-kv q8_0" "measured f32" || pass
sed -n '/--kv/,$p' "$dir/calls" | grep -q -- '--spin\|--threads' && fail "--try-kv q8_0" "is not the last" || pass
run run -p 'Spell cat.' --temp 0 --memory 100M
is "a profile with what --try-kv found" 0 "." "^stoker: profile $slow: chunk 256, kv q8_0, which changes answers, as tune was asked to; "
types 6 15
tune --try-kv f32
is "--try-kv f32" 0 "" "^stoker tune: --kv f32: slower, 1\.[45][0-9]* of the time \[.*\] of [0-9]+ pairs; answers change with it$"
said "--try-kv f32" '^stoker tune: --kv q8_0 of the old profile: left out: answers change with it, and --try-kv does not ask for it$'
no_type "--try-kv f32"
types 8 4
tune --try-kv both
is "--try-kv both" 0 "" "^stoker tune: --kv q8_0: faster, 0\.[78]"
said "--try-kv both" "^stoker tune: --kv f32: faster, 0\.[34]"
in_file "--try-kv both: the fastest" "$slow" '^kv = "f32"$'
[ "$(grep -c '^kv' "$slow")" -eq 1 ] && pass || fail "--try-kv both" "both are in the profile"
types 4 8
tune
said "an old profile with a type" '^stoker tune: --kv f32 of the old profile: left out: '
grep -q -- '--kv' "$dir/calls" && fail "an old profile with a type" "was measured with it" || pass
no_type "an old profile with a type"

stand_in 0.01 'case "$*" in *--threads*--digest) exec sleep 60 ;; *--threads*) ns=$((ns / 2)) ;; esac'
tune --try-kv both --seconds 6
is "types that there is no time for" 0 "" "^stoker tune: --seconds: over before everything was tried$"
for type in q8_0 f32; do
    said "types that there is no time for" "^stoker tune: --kv $type: not measured, time is over$"
    in_file "types that there is no time for" "$slow" "^# --kv $type: not measured, time is over$"
done

# interrupted CASES: a search that is ended by a run that hangs then, by the words in $*
interrupted() {
    stand_in 0.01 "case \"\$*\" in $1 esac"
    rm -f "$dir/hung"
    "$stoker" tune --memory 100M --ctx 4096 --binary "$dir/stand-in" --root "$dir/root" >"$dir/out" 2>"$dir/err" &
    tuning=$!
    wait $tuning 2>/dev/null
    [ $? -gt 128 ] && pass || fail "a signal" "does not end tune"
    kill "$(cat "$dir/hung")" 2>/dev/null
}
hangs="echo \$\$ >'$dir/hung'; kill -TERM \$PPID; exec sleep 60" # tune itself ends a run that is too long
old 'threads = 1'
cp "$slow" "$dir/before"
interrupted "*'--threads 1'*) $hangs ;;"
cmp -s "$slow" "$dir/before" && pass || fail "interrupted before the old profile is judged" "it is gone"
interrupted "*'--threads 1'*) ns=\$((ns * 2)) ;; *'--chunk 256'*) $hangs ;;"
no_threads "interrupted"
interrupted "*'--chunk 256'*) $hangs ;; *'--threads 1'*) ns=\$((ns / 2)) ;;"
in_file "interrupted: what was shown until then" "$slow" '^threads = 1$'
rm -f "$slow"
interrupted "*'--chunk 256 '*) ns=\$((ns * 8 / 10)); [ \$(grep -c -- '--chunk 256 ' '$dir/calls') -le 4 ] || { $hangs; } ;;"
in_file "interrupted behind looks" "$slow" '^# --chunk 256: seems faster, 0\.[78][0-9]* of the time in 4 runs$'
grep -q '^chunk' "$slow" && fail "interrupted behind looks" "it was taken" || pass
old 'threads = 1'
interrupted "*'--threads 1 --chunk'*) $hangs ;; *'--threads 1'*) ns=\$((ns / 2)) ;;"
in_file "interrupted: the old profile was faster" "$slow" '^threads = 1$'
in_file "interrupted: the old profile was measured" "$slow" '^pairs = 5$'

stand_in 16
old ''
tune

stand_in 60
tune
[ "$status" -eq 1 ] && pass || fail "a model that is too slow" "exit status $status"
said "a model that is too slow" "takes 60.. s, so that --seconds 280 are not enough to compare anything; give 1[0-9]{3} or more$"
in_file "a model that is too slow" "$slow" '^pairs = 3$'

# Runs that are longer take five times as long, or do not end: the shortest ones do. What is advised where these do not fit is enough.
for longer in 'sleep 0.3; ns=350000000' 'exec sleep 60'; do
    stand_in 0.05 "case \"\$*\" in *'-pg 16,8 '*|*--digest) ;; *) $longer ;; esac"
    old ''
    tune --seconds 8
    is "a longer run that takes too long" 0 "" "^stoker tune: runs of 16,8 tokens, some 0.[0-9] s each; what seems faster is compared by 5 pairs$"
    grep -q 'are not enough' "$dir/err" && fail "a longer run that takes too long" "ends the search" || pass
done
stand_in 0.4 "case \"\$*\" in *'-pg 16,8 '*) sleep 0.4 ;; *--digest) ;; *) exec sleep 60 ;; esac"
tune --seconds 4
[ "$status" -eq 1 ] && pass || fail "too little time" "exit status $status"
said "too little time" "a run of 16,8 tokens takes [0-9.]+ s, so that --seconds 4 are not enough to compare anything; give [0-9]+ or more$"
tune --seconds "$(sed -n 's/.* give \([0-9]*\) or more$/\1/p' "$dir/err")"
is "what was advised" 0 "" "^stoker tune: profile $slow$"

stand_in 0.01 'exec sleep 300'
tune --seconds 2
[ "$status" -eq 1 ] && pass || fail "a run that does not end" "exit status $status"
said "a run that does not end" '^stoker bench: .*stand-in took longer than [0-9.]+ s, and was ended$'
said "a run that does not end" '--seconds 2 are over before the first run has ended; give more$'

# Void pairs: the host takes more in the runs that the stand-in says.
mkdir -p "$dir/root/proc"
echo "cpu 100 0 0 900 0 0 0 0 0 0" >"$dir/root/proc/stat"
stolen() { echo "[ \$n -gt $1 ] || echo \"cpu 100 0 0 900 0 0 0 \$((100 * n)) 0 0\" >'$dir/root/proc/stat'"; }
rm "$slow"
stand_in 0.01 "$(stolen 1000000)"
tune
[ "$status" -eq 1 ] && pass || fail "nothing but void pairs" "exit status $status"
said "nothing but void pairs" 'too many pairs were void.* or give --steal$'
[ "$(grep -c 'a pair is void' "$dir/err")" -eq 6 ] && pass || fail "void pairs" "are not measured again six times"
tune --steal 100
is "--steal" 0 "" "^stoker tune: profile $slow$"
stand_in 0.01 "$(stolen 10)"
tune
is "some void pairs" 0 "" "a pair is void, for the host took more than 2 % of it$"
in_file "some void pairs" "$slow" '^pairs = 5$'
# How long a run takes is not told by one that is void: of 60 s there would be no time for anything behind the defaults.
echo "cpu 100 0 0 900 0 0 0 0 0 0" >"$dir/root/proc/stat"
stand_in 0.01 "$faster
if [ \"\$(grep -c 'themselves: pair' '$dir/err')\" -eq 1 ]; then $(stolen 1000000); ns=60000000000; fi"
tune
is "a void pair that takes long" 0 "" "^stoker tune: the defaults with themselves: a pair is void, "
in_file "a void pair that takes long" "$slow" '^chunk = 256$'
stand_in 0.01 "case \"\$*\" in *'--threads 1'*) $(stolen 1000000) ;; esac"
old 'threads = 1'
cp "$slow" "$dir/before"
tune
[ "$status" -eq 1 ] && pass || fail "void pairs of the old profile" "exit status $status"
said "void pairs of the old profile" "^stoker tune: profile $slow is left as it was: too many pairs of it were void; "
cmp -s "$slow" "$dir/before" && pass || fail "void pairs of the old profile" "it is gone"
rm -f "$slow"

# ---- three commands from a clone to a tuned server, as the README has them -----------------------------------------------------
sed -n '/^From a clone/,/^`--memory`/s/^    //p' README.md | sed 's/ *#.*//; s,build/stoker,$stoker,; s,MODEL.gguf,$ember,' >"$dir/way"
[ "$(wc -l <"$dir/way")" -eq 3 ] && [ "$(head -n 1 "$dir/way")" = make ] && pass || fail "the README" "has another way to a tuned server"
stand_in 0.01 "$half"
eval "$(sed -n 2p "$dir/way") --binary '$dir/stand-in' --root '$dir/root'" >"$dir/out" 2>"$dir/err" </dev/null
status=$?
is "the README: tune" 0 "" "^stoker tune: --threads 1: faster, "
: >"$dir/out"
eval "$(sed -n 3p "$dir/way") --ctx 64 --parallel 1 --cache-ram 0 --port 0 &" >"$dir/out" 2>"$dir/err" </dev/null
server=$!
wait_for 60 grep -q listening "$dir/out"
kill $server
wait $server
said "the README: serve" "^stoker: profile $profiles/.*: threads 1; "

# ---- what cannot be -----------------------------------------------------------------------------------------------------------
run tune -
is "stdin" 2 "" "a model from stdin cannot be read again and again"
run tune "${BUILD:-build}/data/embeddings/bert-mean.gguf"
is "a model of vectors" 2 "" "^stoker tune: .*bert-mean.gguf gives no text \(pooling mean\): tune measures prompts and answers; "
run tune "$dir/nothing.gguf"
is "no model" 1 "" "nothing.gguf"
run tune --memory 1M --ctx 64
is "too little memory" 2 "" "--memory 1.0 MiB is too small"
run tune --try-kv q3
is "--try-kv q3" 2 "" '^stoker tune: --try-kv q3: q8_0\|f32\|both is expected$'
run tune --seconds 0
is "--seconds 0" 2 "" "--seconds 0: numbers from 1 to"
run tune --binary "$dir/nothing"
[ "$status" -eq 1 ] && pass || fail "no binary" "exit status $status"
mv "$profiles" "$dir/away"
: >"$profiles"
ask
is "no folder" 0 "=C-A-T." ""
rm "$profiles"

done_testing
