# stoker library: sources are added, stopped, killed, changed and removed; what is found is cited; what is wrong costs one sentence.
. tests/cli/harness

tool=$PWD/${BUILD:-build}/tests/library_tool
zim=$data/library/zim
lib=$dir/lib
md=.md
export XDG_DATA_HOME="$dir/data"

# What is no action, no library, no source.
run library
is "no action" 2 "" "^stoker library: name an action"
run library frobnicate
is "another action" 2 "" '^stoker library: "frobnicate" is no action'
run library add
is "add without a source" 2 "" "^stoker library add: name an archive"
run library search
is "search without words" 2 "" "^stoker library search: name what"
run library list --library "$lib"
is "no library" 0 "^no sources in $lib$" ""
run library search x --library "$lib"
is "search in no library" 1 "nothing found" "has no sources; stoker library add makes one$"
run library add "$dir/none.zim" --library "$lib"
is "an archive that is not there" 1 "" "none.zim: No such file or directory$"
run library add "$dir/none" --library "$lib"
is "a file that is not there" 1 "" "none: No such file or directory$"
echo x >"$dir/x.odt"
run library add "$dir/x.odt" --library "$lib"
is "a file of another kind" 1 "" "is nothing that the library takes"
run library add "$zim/empty.zim" --library "$lib"
is "an archive without articles" 1 "" "holds no articles$"
run library add "$zim/bad/truncated-half.zim" --library "$lib"
is "half an archive" 1 "" "the archive was cut"
run library add "$zim/bad/checksum.zim" --library "$lib" --verify
is "--verify" 1 "" "damaged: its checksum is not that of its content$"
run library add "$zim/zstd.zim" --library "$lib" --memory 100M
is "--memory that is too little" 2 "" "less than the 256 MiB"
run library list --json --library "$lib"
is "nothing is left of them" 0 "=[]" ""
run library add "$zim/loop.zim" --library "$lib"
if grep -q "libxml2, which this system lacks" "$dir/err"; then
    skip "stoker library" "libxml2 is not installed"
    done_testing
    exit
fi
is "an archive without a license" 0 "^loop: 1 articles, 1 chunks; 1 new, 0 removed, 0 skipped$" "^stoker: loop: it does not say what its license is$"

# An archive, its passages, its pages.
run library add "$zim/zstd.zim" --library "$lib" --memory 256M
is "add" 0 "=stoker_test: 48 articles, 50 chunks; 48 new, 0 removed, 0 skipped" ""
run library add "$zim/zstd.zim" --library "$lib"
is "add again" 0 "=stoker_test: 48 articles, 50 chunks; nothing has changed" ""
run library search charcoal sand --library "$lib" --limit 1
is "search" 0 "=1. Water filter > Building
   stoker_test:3:5  4.58
Gravel lies below, sand above, charcoal between." ""
run library search charcoal sand --library "$lib" --limit 1 --json
is "search --json" 0 '^\{"results":\[\{"rank":1,"score":4\.57[0-9]*,"id":"stoker_test:3:5","source":"stoker_test","title":"Water filter","path":"Water_filter","anchor":"build","heading":\["Water filter","Building"\],"text":"Gravel lies below, sand above, charcoal between\.","url":"/library/stoker_test/Water_filter#build","date":"2026-11-20"\}\],"sources":2,"dropped":0\}$' ""
run library search 'the path holds slashes' --source stoker_test --library "$lib" --json --limit 1
is "an address" 0 '"url":"/library/stoker_test/a/b/c%3Fd%3D1%26e%23f"' ""
run library search '"NEAR( * OR' --library "$lib"
is "operators" 0 "^nothing found$" ""
run library search charcoal --source nothing --library "$lib"
is "another source" 1 "^nothing found$" "has no source nothing$"
run library open stoker_test:3:5 --library "$lib"
is "open by id" 0 "=# Water filter > Building
Gravel lies below, sand above, charcoal between." ""
run library open stoker_test/Water_filter#care --library "$lib"
is "open a section" 0 "=# Water filter > Care
Wash the sand every month." ""
run library open stoker_test/Water_filter --library "$lib" --json
is "open --json" 0 '^\{"source":"stoker_test","path":"Water_filter","title":"Water filter","date":"2026-11-20","passages":\[\{"heading":\["Water filter"\],"anchor":"","text":"A sand filter cleans' ""
run library open stoker_test/None --library "$lib"
is "open what is not there" 1 "" "^stoker: stoker_test has nothing at None$"
run library open stoker_test --library "$lib"
is "open without a path" 2 "" "is neither NAME:ARTICLE:CHUNK nor NAME/PATH$"
run library check --library "$lib"
is "check" 0 "^stoker_test  whole$" ""
run library add "$zim/bad/cluster-zip.zim" --library "$dir/bad"
is "an archive with a cluster that cannot be read" 1 "" "holds no articles$"
run library add "$zim/bad/dirent-cluster.zim" --library "$dir/bad"
is "an archive with a bad entry" 0 "^stoker_test: 47 articles.* 47 new, 0 removed, 1 skipped$" "^stoker: skipped: dirent-cluster.zim: entry 3 is in cluster 99 of 2$"

# One source that is broken; the others answer.
cp -r "$lib" "$dir/lib2"
printf 'no database at all, but long enough to be looked at' >"$dir/lib2/broken.db"
run library search charcoal --library "$dir/lib2" --limit 1
is "a broken source" 0 "stoker_test:" "^stoker: broken: its database is damaged"
run library list --library "$dir/lib2"
is "list beside it" 1 "^stoker_test  " "broken: its database is damaged"
cp "$lib/stoker_test.db" "$dir/lib2/later.db"
printf '\0\0\0\7' | dd of="$dir/lib2/later.db" bs=1 seek=60 conv=notrunc status=none
rm "$dir/lib2/broken.db"
run library check --library "$dir/lib2"
is "another version's" 1 "^stoker_test  whole$" "later: its database has format 7, and this stoker reads 1"
run library remove later stoker_test --library "$dir/lib2"
is "remove" 0 "" ""
run library remove later --library "$dir/lib2"
is "remove again" 1 "" "has no source later$"
run library remove ../lib/stoker_test --library "$dir/lib2"
is "remove beside the library" 1 "" "has no source"

# What cannot be read: a sentence, and the others answer. Root reads all, unless it lets go of that right.
bare=
[ "$(id -u)" != 0 ] || bare="setpriv --bounding-set -dac_override,-dac_read_search"
run_bare() {
    timeout $limit $bare "$stoker" "$@" </dev/null >"$dir/out" 2>"$dir/err"
    status=$?
}
mkdir -p "$dir/shut/below"
for name in a b below/c; do echo "Lamp oil in $name." >"$dir/shut/$name.txt"; done
run library add "$dir/shut" --library "$lib"
is "a folder that can be read" 0 "=shut: 3 articles, 3 chunks; 3 new, 0 removed, 0 skipped" ""
cp "$zim/zstd.zim" "$dir/archive.zim"
run library add "$dir/archive.zim" --name archive --library "$lib"
is "an archive that can be read" 0 "^archive: 48 articles" ""
cp -r "$lib" "$dir/lib4"
chmod 000 "$dir/shut/b.txt" "$dir/shut/below" "$dir/archive.zim" "$dir/lib4/loop.db"
if $bare cat "$dir/shut/b.txt" >"$dir/out" 2>&1 || ! $bare true 2>"$dir/err"; then
    skip "what cannot be read" "this system lets root read everything"
else
    run_bare library search charcoal --library "$dir/lib4" --limit 1
    is "a source that cannot be read" 0 "^   (archive|stoker_test):" "^stoker: $dir/lib4/loop\.db: Permission denied$"
    run_bare library list --library "$dir/lib4"
    is "list beside it" 1 "^stoker_test  " "^stoker: $dir/lib4/loop\.db: Permission denied$"
    echo "Whale oil." >"$dir/shut/a.txt"
    run_bare library add "$dir/shut" --library "$lib"
    is "files that cannot be read" 0 "=shut: 3 articles, 3 chunks; 1 new, 0 removed, 2 skipped" "^stoker: skipped: b\.txt: Permission denied$"
    grep -q "^stoker: skipped: .*/shut/below: Permission denied$" "$dir/err" && pass || fail "a folder that cannot be read" "is not named"
    run library search lamp --library "$lib" --source shut
    [ "$(grep -c '^   shut:' "$dir/out")" = 2 ] && pass || fail "files that cannot be read" "have left the index"
    run_bare library add "$dir/shut/b.txt" --library "$lib"
    is "a file that cannot be read" 1 "" "holds nothing that could be read: b\.txt: Permission denied$"
    run_bare library add "$dir/archive.zim" --name other --library "$lib"
    is "an archive that cannot be read" 1 "" "archive\.zim: Permission denied$"
    run_bare library check --library "$lib"
    [ "$status" -eq 1 ] && grep -q "^archive  archive: $dir/archive\.zim cannot be read: Permission denied; what was added of it is still found$" "$dir/out" &&
        grep -q '^stoker_test  whole$' "$dir/out" && pass || fail "check" "does not say which archive cannot be read"
fi
chmod 700 "$dir/shut/b.txt" "$dir/shut/below" "$dir/archive.zim" "$dir/lib4/loop.db"
mv "$dir/archive.zim" "$dir/moved.zim"
run library check --library "$lib"
[ "$status" -eq 1 ] && grep -q "^archive  archive: $dir/archive\.zim is not there; what was added of it is still found$" "$dir/out" && pass ||
    fail "check" "does not say which archive has moved"
run library search charcoal --library "$lib" --source archive --limit 1
is "an archive that has moved" 0 "^   archive:" ""
run library remove archive shut --library "$lib"
is "remove two" 0 "" ""

# A folder: what has changed.
mkdir -p "$dir/notes/sub/.git" "$dir/notes/.hidden"
printf '# Kettle\n\nThe kettle is blue.\n\n## Care\n\nDescale it.\n' >"$dir/notes/kettle$md"
printf '<title>Stove</title><p>The stove burns wood.' >"$dir/notes/sub/stove.html"
printf 'Plain lamp oil.\n' >"$dir/notes/lamp.txt"
printf 'secret walrus\n' >"$dir/notes/.hidden/x.txt"
ln -s lamp.txt "$dir/notes/link.txt"
run library add "$dir/notes" --library "$lib"
is "a folder" 0 "=notes: 3 articles, 4 chunks; 3 new, 0 removed, 0 skipped" ""
run library search walrus --library "$lib" --source notes
is "hidden files" 0 "=nothing found" ""
touch "$dir/notes/lamp.txt"
run library add "$dir/notes" --library "$lib"
is "a file that was touched" 0 "=notes: 3 articles, 4 chunks; nothing has changed" ""
printf '# Kettle\n\nThe kettle is copper.\n' >"$dir/notes/kettle$md"
rm "$dir/notes/sub/stove.html"
run library add "$dir/notes" --library "$lib"
is "a file that was changed, one that is gone" 0 "=notes: 2 articles, 2 chunks; 1 new, 1 removed, 0 skipped" ""
run library search stove blue --library "$lib" --source notes
is "what left the index" 0 "=nothing found" ""
run library search copper --library "$lib" --source notes
is "what came into it" 0 "^The kettle is copper\.$" ""
run library check --library "$lib"
is "check a folder" 0 "^notes  whole$" ""
run library add "$dir/notes/lamp.txt" --library "$lib"
is "a file" 0 "=lamp: 1 articles, 1 chunks; 1 new, 0 removed, 0 skipped" ""
mkdir "$dir/other" && mkdir "$dir/other/notes" && echo x >"$dir/other/notes/x.txt"
run library add "$dir/other/notes" --library "$lib"
is "another folder of that name" 1 "" "has another source notes, .*; give this one another name: --name N$"
run library add "$dir/other/notes" --library "$lib" --name 'my notes'
is "--name" 0 "=my_notes: 1 articles, 1 chunks; 1 new, 0 removed, 0 skipped" ""
run library add "$dir/other/notes" --json
is "the user's own library, as JSON" 0 '^\{"event":"end","source":"notes","done":1,"total":0,"articles":1,"chunks":1,"new":1,"skipped":0,"skipped_first":\[\],"warnings":\[\],"removed":0,"is_unchanged":false\}$' ""
[ -e "$XDG_DATA_HOME/stoker/library/notes.db" ] && pass || fail "the user's own library" "is not in XDG_DATA_HOME"

# Killed again and again, gone on: the dump of a run that nobody disturbed.
"$tool" zim "$dir/g.zim" 5000
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
began=$(milliseconds)
run library add "$dir/g.zim" --library "$dir/whole"
whole=$(($(milliseconds) - began))
: >"$dir/err" # on a slow machine it tells its plan
is "an archive of 5,000 pages" 0 "=generated: 5000 articles, 20000 chunks; 5000 new, 0 removed, 0 skipped" ""
"$tool" dump "$dir/whole/generated.db" >"$dir/wanted"
[ "$(wc -l <"$dir/wanted")" -gt 100000 ] && pass || fail "the dump" "is short"
turns() { # how often the cluster of an article is less than that of the one before
    awk -F'|' '/^SELECT/ { on = /^SELECT id, path/; next } on { n += $5 < last; last = $5 } END { print n }' "$1"
}
[ "$(turns "$dir/wanted")" = 0 ] && pass || fail "the order of clusters" "$(turns "$dir/wanted") steps back"
"$tool" add "$dir/g.zim" "$dir/windows" 1000 >"$dir/out" 2>"$dir/err"
is "windows of 1,000 articles" 0 "=5000 new" ""
"$tool" dump "$dir/windows/generated.db" >"$dir/whole_windows"
[ "$(turns "$dir/whole_windows")" = 4 ] && pass || fail "windows" "$(turns "$dir/whole_windows") steps back, not 4"
for i in 1 2 3 4 5 6 7 8; do
    "$tool" add "$dir/g.zim" "$dir/stopped" 1000 700 >"$dir/out" 2>"$dir/err"
done
is "the last of seven stops" 0 "=0 new" ""
"$tool" dump "$dir/stopped/generated.db" >"$dir/is"
cmp -s "$dir/whole_windows" "$dir/is" && pass || fail "stopped seven times, in windows" "another dump than undisturbed"
appears() { # waits for a file
    for i in $(seq 1000); do
        [ ! -e "$1" ] || return 0
        sleep 0.01
    done
}
# Random moments: SEED=N has those of a run that printed N again.
seed=${SEED:-$(date +%s)}
echo "the moments of kills: SEED=$seed"
moment() { # moment MS: seconds, below this time
    seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
    ms=$(((seed >> 8) % $1))
    seconds=$((ms / 1000)).$(printf %03d $((ms % 1000)))
}
torn=$dir/torn
begin_anew() {
    rm -rf "$torn"
    [ -z "$before" ] || cp -r "$before" "$torn"
}
is_wanted() { # is_wanted NAME: what runs have made that were killed
    "$tool" dump "$torn/$1.db" >"$dir/is"
    cmp -s "$dir/wanted" "$dir/is"
}
rows() { # of the vectors that are committed
    "$stoker" library list --json --library "$torn" | sed -n 's/.*"vectors":\([0-9]*\).*/\1/p' | grep . || echo 0
}
killed() { # killed WHAT SIGNAL SOURCE NAME TIMES MS [FLAG...]: so many runs at moments below MS, each of which goes on; behind one that has ended all begins anew, with $before
    what=$1 signal=$2 source=$3 name=$4 times=$5 most=$6
    kills=0 runs=0 between=0
    shift 6
    begin_anew
    while [ $kills -lt "$times" ] && [ $runs -lt $((10 * times)) ]; do
        runs=$((runs + 1))
        moment "$most"
        "$stoker" library add "$source" --library "$torn" "$@" >"$dir/out" 2>"$dir/err" &
        pid=$!
        appears "$torn/.$name.lock"
        sleep $seconds
        kill -"$signal" $pid 2>/dev/null
        wait $pid 2>/dev/null
        status=$?
        case $status in
        0)
            is_wanted "$name" || fail "$what" "another dump than undisturbed, after $kills kills"
            begin_anew
            continue
            ;;
        130 | 137 | 143) kills=$((kills + 1)) ;;
        *)
            fail "$what" "status $status, after $kills kills"
            break
            ;;
        esac
        now=0
        [ $# -eq 0 ] || now=$(rows)
        [ "$now" -eq 0 ] || [ "$now" -eq 2800 ] || between=$((between + 1))
    done
    run library add "$source" --library "$torn" "$@"
    [ $status -eq 0 ] && [ $kills -eq "$times" ] && pass || fail "$what" "status $status, $kills kills of $times, $runs runs"
    is_wanted "$name" && pass || fail "$what" "another dump than undisturbed"
}
before=
killed "kill -9" KILL "$dir/g.zim" generated 30 $((whole / 8))
killed "SIGTERM" TERM "$dir/g.zim" generated 5 $((whole / 8))

# A newer archive of the same name is built beside the old one, which answers until then.
"$tool" zim "$dir/g2.zim" 4000 2026-02-02
run library add "$dir/g2.zim" --library "$dir/whole"
: >"$dir/err"
is "a newer archive" 0 "=generated: 4000 articles, 16000 chunks; 4000 new, 0 removed, 0 skipped" ""
"$tool" dump "$dir/whole/generated.db" >"$dir/wanted"
before=$dir/before
cp -r "$torn" "$before"
"$stoker" library add "$dir/g2.zim" --library "$torn" >"$dir/out" 2>"$dir/err" &
appears "$torn/.generated.new"
kill -9 $! 2>/dev/null
wait $! 2>/dev/null
run library search harbour --library "$torn" --limit 1
is "the old one answers" 0 "^1\. Page " ""
killed "a newer archive, killed" KILL "$dir/g2.zim" generated 10 $((whole / 8))
run library add "$dir/g.zim" --library "$dir/whole"
is "an older archive" 1 "" "is of 2026-02-02 and this archive of 2026-01-01; to have the older one, first: stoker library remove generated$"

mkdir "$dir/many"
for i in $(seq 600); do printf '# Note %d\n\nWord%d and water.\n\n## Part\n\nSand %d.\n' "$i" "$i" "$i" >"$dir/many/$i$md"; done
began=$(milliseconds)
run library add "$dir/many" --library "$dir/whole"
whole=$(($(milliseconds) - began))
is "a folder of 600 files" 0 "=many: 600 articles, 1200 chunks; 600 new, 0 removed, 0 skipped" ""
"$tool" dump "$dir/whole/many.db" >"$dir/wanted"
before=
killed "a folder, killed" KILL "$dir/many" many 10 "$whole"

# Metadata is somebody else's text.
"$tool" zim "$dir/c.zim" 3 "$(printf '2026\033[31m\n\302\233')"
run library add "$dir/c.zim" --library "$dir/control"
is "control characters in metadata" 0 "^generated: 3 articles" ""
run library list --json --library "$dir/control"
is "no control characters in a date" 0 '"date":"2026\?\[31m\?\?\?",' ""
mkfifo "$dir/pipe.zim"
timeout 60 "$stoker" library add "$dir/pipe.zim" --library "$dir/control" >"$dir/out" 2>"$dir/err"
status=$?
is "a pipe" 1 "" "pipe.zim is not a regular file$"

# PDF: by a program that another one stands for here; without it they wait.
mkdir "$dir/papers" "$dir/bin"
printf 'Stoves burn\nwood.\n\fClean the chimney.\n\f' >"$dir/papers/stove.pdf"
echo "lamp oil" >"$dir/papers/lamp.txt"
printf '#!/bin/sh\nexec cat /proc/self/fd/0\n' >"$dir/bin/pdftotext"
chmod +x "$dir/bin/pdftotext"
path=$PATH
mkdir "$dir/poor"
run_poor() { # run, where there is no program
    timeout 60 env PATH="$dir/poor" "$stoker" "$@" </dev/null >"$dir/out" 2>"$dir/err"
    status=$?
}
run_poor library add "$dir/papers/stove.pdf" --library "$dir/shelf"
is "PDF without pdftotext" 1 "" "^stoker: PDF is read by pdftotext, which this system lacks; install it .Debian's package poppler-utils."
run_poor library add "$dir/papers" --library "$dir/shelf"
is "a folder with PDF, without" 0 "^papers: 1 articles, 1 chunks; 1 new, 0 removed, 1 skipped$" "^stoker: skipped: stove.pdf: PDF is read by pdftotext"
PATH=$dir/bin:$path
run library add "$dir/papers" --library "$dir/shelf"
is "with it" 0 "=papers: 2 articles, 3 chunks; 1 new, 0 removed, 0 skipped" ""
run library open 'papers/stove.pdf#page=2' --library "$dir/shelf"
is "a page" 0 "=# stove
Clean the chimney." ""
run library add "$dir/papers" --library "$dir/shelf"
is "PDF again" 0 "=papers: 2 articles, 3 chunks; nothing has changed" ""
printf '#!/bin/sh\necho $$ >"%s/pid.new"\nmv "%s/pid.new" "%s/pid"\nexec sleep 55\n' "$dir" "$dir" "$dir" >"$dir/bin/pdftotext"
echo >>"$dir/papers/stove.pdf"
"$stoker" library add "$dir/papers" --library "$dir/shelf" >"$dir/out" 2>"$dir/err" &
appears "$dir/pid"
kill -9 $!
wait $! 2>/dev/null
child=$(cat "$dir/pid")
wait_for 10 is_gone "$child" && pass || fail "pdftotext dies with stoker" "$child lives"
PATH=$path

# Two writers; a disk that is full.
"$stoker" library add "$dir/g.zim" --library "$dir/two" >"$dir/first" 2>&1 &
first=$!
appears "$dir/two/.generated.lock"
kill -STOP $first
run library add "$dir/g.zim" --library "$dir/two"
is "two writers" 1 "" "another stoker library add is at work on generated$"
kill -CONT $first
wait $first
grep -q "^generated: 5000 articles" "$dir/first" && pass || fail "the first writer" "$(cat "$dir/first")"
(
    failed=0
    ulimit -f 2000
    run library add "$dir/g.zim" --library "$dir/full"
    sed -i '/: about /d' "$dir/err"
    is "a full disk" 1 "" "generated: the disk is full, .*; make space and run the command again, it goes on where it stopped$"
    [ $failed -eq 0 ]
) && pass || fail "a full disk" "see above"
run library add "$dir/g.zim" --library "$dir/full"
: >"$dir/err"
is "with space again" 0 "^generated: 5000 articles, 20000 chunks; " ""

# Vectors: of what is new, by one model; with words they find what words alone do not.
mean=$data/embeddings/bert-mean.gguf cls=$data/embeddings/bert-cls.gguf
run library add "$dir/notes" --library "$dir/v" --embed "$mean"
is "vectors" 0 "^notes: vectors of 2 of 2 passages by bert-mean\.gguf, 2 new$" ""
run library add "$dir/notes" --library "$dir/v" --embed "$mean"
is "vectors again" 0 "^notes: vectors of 2 of 2 passages by bert-mean\.gguf, 0 new$" ""
run library search copper --library "$dir/v"
[ "$(grep -c '^ *notes:' "$dir/out")" = 1 ] && pass || fail "words alone" "find another number of passages"
run library search copper --library "$dir/v" --embed "$mean"
is "words and vectors" 0 "^   notes:[0-9]*:[0-9]*  0\.0325$" ""
[ "$(grep -c '^ *notes:' "$dir/out")" = 2 ] && pass || fail "words and vectors" "do not find both passages"
run library search '???' --library "$dir/v" --embed "$mean" --json
is "vectors alone" 0 '^\{"results":\[\{"rank":1,"score":0\.01639' ""
run library search copper --library "$dir/v" --embed "$cls"
is "a query by another model" 0 "^The kettle is copper" "^stoker: notes: its vectors are of another model, bert-mean\.gguf, so it is searched by words alone; "
run library search copper --library "$lib" --embed "$mean"
is "a library without vectors" 0 "^The kettle is copper" "^stoker: none of the library's sources has vectors, so they are searched by words alone; stoker library add with --embed makes them$"
run library list --library "$dir/v"
is "list with vectors" 0 "; 2 vectors by bert-mean\.gguf, 8\.1 KiB$" ""
run library list --library "$dir/v" --json
is "list --json with vectors" 0 '"ready":true,"vectors":2,"vector_model":"bert-mean\.gguf","vector_bytes":8320\}' ""
printf 'Rain is water that falls.\n' >"$dir/notes/rain.txt"
printf '# Kettle\n\nThe kettle is tin.\n' >"$dir/notes/kettle$md"
run library add "$dir/notes" --library "$dir/v" --embed "$mean" --json
is "vectors of what has changed" 0 '^\{"event":"embedded","source":"notes","done":3,"total":3,"new":2,"without":0\}$' ""
run library search '???' --library "$dir/v" --embed "$mean"
[ "$(grep -c '^ *notes:' "$dir/out")" = 3 ] && ! grep -q copper "$dir/out" && pass || fail "what has changed" "is not found by its vectors"
segment=$(echo "$dir/v/notes.vec/"*)
printf x | dd of="$segment" bs=1 seek=9000 conv=notrunc status=none
run library check --library "$dir/v"
is "check damaged vectors" 1 "^notes  notes: its vectors are damaged at byte [0-9]*; stoker library add with --embed makes them anew$" ""
run library search tin --library "$dir/v" --embed "$mean"
is "search beside damaged vectors" 0 "^The kettle is tin" "^stoker: notes: its vectors are damaged at byte "
run library add "$dir/notes" --library "$dir/v" --embed "$mean"
is "damaged vectors anew" 0 "passages by bert-mean\.gguf, 3 new$" "^stoker: notes: its vectors are damaged at byte "
run library check --library "$dir/v"
is "check vectors" 0 "^notes  whole$" ""
run library add "$dir/notes" --library "$dir/v" --embed "$cls" --vectors lead
is "vectors of another model" 0 "passages by bert-cls\.gguf, 3 new$" "^stoker: notes: its vectors were of another model, bert-mean\.gguf; all are made anew$"
[ "$(ls "$dir/v/notes.vec" | wc -l)" = 1 ] && [ ! -e "$segment" ] && pass || fail "vectors of another model" "the old ones are still there"
run library remove notes --library "$dir/v"
[ ! -e "$dir/v/notes.vec" ] && pass || fail "remove" "leaves vectors"
run library add "$dir/notes" --library "$dir/v" --embed "$data/embeddings/bert-rank.gguf"
is "a model that ranks" 1 "" "bert-rank\.gguf: it makes no vectors of texts: use an embedding model$"
run library add "$dir/notes" --library "$dir/v" --vectors all
is "--vectors alone" 2 "" "^stoker library: --vectors all needs the model that makes them: --embed MODEL\.gguf$"
[ ! -e "$dir/v/notes.db" ] && pass || fail "a model that ranks" "something was added all the same"

# A last article whose first passage alone had a vector: when it leaves, what comes has the numbers of its others.
mkdir "$dir/last"
parts() { for i in $(seq "$1"); do printf '# Part %d\n\nRain fell for %d days.\n\n' "$i" "$i"; done; } # parts N: an article of N passages
for i in $(seq 20); do echo "Note $i." >"$dir/last/n$i.txt"; done
parts 6 >"$dir/last/z$md"
lead() { run library add "$dir/last" --library "$dir/v" --embed "$mean" --vectors lead; }
lead
is "a long last article" 0 "^last: vectors of 21 of 21 passages by bert-mean\.gguf, 21 new$" ""
rm "$dir/last/z$md"
lead
is "without it" 0 "^last: vectors of 20 of 20 passages by bert-mean\.gguf, 0 new$" ""
printf '# Fog\n\nFog is a cloud.\n' >"$dir/last/z2$md"
lead
is "another last article" 0 "^last: vectors of 21 of 21 passages by bert-mean\.gguf, 1 new$" ""
run library search '???' --library "$dir/v" --embed "$mean" --limit 50
[ "$(grep -c '^ *last:' "$dir/out")" = 21 ] && grep -q '^Fog is a cloud' "$dir/out" && pass || fail "another last article" "is not found by its vector"
parts 12 >"$dir/last/a$md"
lead
parts 11 >"$dir/last/a$md"
lead
is "a long article that changes" 0 "^last: vectors of 22 of 22 passages by bert-mean\.gguf, 1 new$" ""
rm "$dir/last/"n*
lead
is "most articles leave" 0 "^last: vectors of 2 of 2 passages by bert-mean\.gguf, 2 new$" "^stoker: last: most of what had vectors has left; all are made anew$"

# Vectors, killed: the rows of a run that nobody disturbed.
"$tool" zim "$dir/v.zim" 700
run library add "$dir/v.zim" --library "$dir/texts"
run library add "$dir/v.zim" --library "$dir/whole_v" --embed "$mean" --vectors lead
is "first passages" 0 "^generated: vectors of 700 of 700 passages by bert-mean\.gguf, 700 new$" ""
began=$(milliseconds)
run library add "$dir/v.zim" --library "$dir/whole_v" --embed "$mean" --vectors all
whole=$(($(milliseconds) - began))
is "all passages" 0 "^generated: vectors of 2800 of 2800 passages by bert-mean\.gguf, 2800 new$" "^stoker: generated: its vectors were of the first passages of articles; all are made anew$"
"$tool" dump "$dir/whole_v/generated.db" >"$dir/wanted"
[ "$(sed '1,/^vectors: /d' "$dir/wanted" | wc -l)" = 2800 ] && pass || fail "the dump" "has not all vectors"
before=$dir/texts
killed "vectors, killed" KILL "$dir/v.zim" generated 50 $((whole / 4)) --embed "$mean"
[ $between -ge 10 ] && pass || fail "vectors, killed" "only $between of 50 kills came between blocks"
killed "vectors, stopped" TERM "$dir/v.zim" generated 5 $((whole / 2)) --embed "$mean"

# A disk that is full while vectors are written: 100 KiB, where they need 230.
torn=$dir/full_v
begin_anew
(
    failed=0
    ulimit -f 200
    run library add "$dir/v.zim" --library "$torn" --embed "$mean"
    is "a full disk for vectors" 1 "; nothing has changed$" \
        "^stoker: generated: its vectors cannot be written: .*; make space and run the command again, it goes on where it stopped$"
    [ $failed -eq 0 ]
) && pass || fail "a full disk for vectors" "see above"
now=$(rows)
[ "$now" -gt 0 ] && [ "$now" -lt 2800 ] && pass || fail "a full disk for vectors" "$now of them are there"
run library search harbour --library "$torn" --embed "$mean" --limit 1
is "a search beside it" 0 "^1\. Page " ""
run library add "$dir/v.zim" --library "$torn" --embed "$mean"
is "with space for vectors" 0 "^generated: vectors of 2800 of 2800 passages by bert-mean\.gguf, $((2800 - now)) new$" ""
is_wanted generated && pass || fail "with space for vectors" "another dump than undisturbed"
torn=$dir/torn

# Lists of vectors, here of a source that has few: what tells of them, and damage, beside which all vectors are read.
listed=$dir/whole_v
lists() { # as run, by the tool: however few vectors there are
    "$tool" lists "$listed" generated 2 >"$dir/out" 2>"$dir/err"
    status=$?
}
run library search harbour winter --library "$listed" --embed "$mean" --limit 20
cp "$dir/out" "$dir/all"
lists
is "lists" 0 "=211 lists of 2800 vectors, made" ""
lists
is "lists again" 0 "=211 lists of 2800 vectors" ""
run library list --library "$listed"
is "list with lists" 0 "; 2800 vectors by bert-mean\.gguf, [0-9.]* KiB; 2800 of them in 211 lists, [0-9.]* MiB$" ""
run library list --json --library "$listed"
is "list --json with lists" 0 '"vector_bytes":[0-9]*,"lists":211,"listed_vectors":2800,"list_bytes":[0-9]*\}' ""
run library check --library "$listed"
is "check lists" 0 "^generated  whole$" ""
run library search harbour winter --library "$listed" --embed "$mean" --limit 20
is "search by lists" 0 "^1\. Page " ""
lists_damaged="generated: its lists of vectors are damaged, so all its vectors are read; stoker library add with --embed makes them anew"
printf x | dd of="$(echo "$listed/generated.vec/"*.lists)" bs=1 seek=9000 conv=notrunc status=none
run library check --library "$listed"
is "check damaged lists" 1 "^generated  $lists_damaged$" ""
run library search harbour winter --library "$listed" --embed "$mean" --limit 20
is "search beside damaged lists" 0 "^1\. Page " "^stoker: $lists_damaged$"
cmp -s "$dir/all" "$dir/out" && pass || fail "search beside damaged lists" "finds other passages than all vectors"
lists
is "damaged lists anew" 0 "=211 lists of 2800 vectors, made" "^$lists_damaged$"
run library add "$dir/v.zim" --library "$listed" --embed "$mean"
is "few vectors need no lists" 0 "^generated: vectors of 2800 of 2800 passages by bert-mean\.gguf, 0 new$" ""
run library remove generated --library "$listed"
[ ! -e "$listed/generated.vec" ] && pass || fail "remove" "leaves lists"

# A newer archive has no vectors, and says so where none are made.
newer() { # newer DATE [FLAG...]
    "$tool" zim "$dir/newer.zim" 20 "$1"
    shift
    run library add "$dir/newer.zim" --library "$dir/torn" "$@"
}
newer 2026-02-01
is "a newer archive without --embed" 0 "^generated: 20 articles" "^stoker: generated: the vectors of what it had are gone with that; stoker library add with --embed makes new ones$"
newer 2026-02-02
is "one after it" 0 "^generated: 20 articles" ""
newer 2026-02-03 --embed "$mean"
is "a newer archive with --embed" 0 "80 new$" ""
newer 2026-02-04 --embed "$mean"
is "one more with --embed" 0 "80 new$" ""
newer 2026-02-05 --json
is "a newer archive, --json" 0 '"warnings":\["the vectors of what it had are gone with that; stoker library add with --embed makes new ones"\]' ""

done_testing
