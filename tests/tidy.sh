#!/bin/sh
# Holds the source against its own rules; silent when it keeps them.
#
#   1. an #include names its file from src/ on; its folder is one that src/LAYERS allows, and its header one that the folder publishes
#   2. src/LAYERS itself goes one way and holds no edge that nobody uses, and no header includes itself in a circle
#   3. a file that the documents name is there (names with NAME in capitals are patterns), and so is a function: in docs/MAP.md,
#      `name()` is in the file named last before it in its line
#   4. a document that is cited is in docs/spec/, docs/ or here, and so is the section: "kernels.md C", "templates.md 3.5 to 3.7"
#   5. no line is longer than 140 characters: clang-format leaves comments alone
#   6. clang-format changes nothing (left out, saying so, where clang-format is absent)
#   7. no folder of src has more than 40 sources
#   8. docs/MAP.md counts the files of each folder rightly, and its lines within a tenth
#   9. private words that the field's words replaced do not come back into the source, the manual and the documents
#  10. every mutation of tests/mutate.sh still changes the files that it names
#  11. architectures: a file has at most 250 lines, half of them at most 90, a block at most 200 (but those that all build on); beside
#      these files none of the layers that compute names one
#      each has a header among the seeds of make fuzz-gguf
#  12. no file of src has more than 600 lines, but for tables that a program of tools made and says so in the first line
set -u
cd "$(dirname "$0")/.." || exit 1
status=0

sources() { find "$@" -name '*.[ch]' 2>/dev/null | LC_ALL=C sort; }

# Rules 1 and 2. An edge is "from to": folders first, headers after.
sources src include | xargs awk '
    function complain(text) {
        print text
        bad = 1
    }

    function folder_of(path) {
        sub(/\/[^\/]*$/, "", path)
        return path
    }

    # Depth first from node, along edge[from]; state: 1 on the path, 2 done.
    function walk(node, path,    next_nodes, n, i) {
        if (state[node] == 2)
            return
        if (state[node] == 1) {
            complain("a circle:" path " -> " node)
            return
        }
        state[node] = 1
        n = split(edge[node], next_nodes, " ")
        for (i = 1; i <= n; i++)
            walk(next_nodes[i], path " -> " node)
        state[node] = 2
    }

    BEGIN {
        while ((getline line < "src/LAYERS") > 0) {
            if (line ~ /^#/ || line !~ /:/)
                continue
            folder = line
            sub(/:.*/, "", folder)
            sub(/^[^:]*:/, "", line)
            n = split(line, half, "|")
            known[folder] = 1
            edge["src/" folder] = ""
            if (n == 2) {
                closed[folder] = 1
                n = split(half[2], names, " ")
                for (i = 1; i <= n; i++)
                    published[folder "/" names[i]] = 1
            }
            n = split(half[1], names, " ")
            for (i = 1; i <= n; i++) {
                allowed[folder, names[i]] = 1
                edge["src/" folder] = edge["src/" folder] " src/" names[i]
            }
        }
    }

    FNR == 1 {
        folder = ""
        if (FILENAME ~ /^src\//) {
            folder = folder_of(substr(FILENAME, 5))
            if (!known[folder] && !told[folder]++)
                complain("src/" folder "/ has no line in src/LAYERS")
        } else if (FILENAME != "include/stoker.h") {
            complain(FILENAME ": sources are src/ROOM/FILE and include/stoker.h")
        }
        there[substr(FILENAME, 5)] = 1
    }

    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split($0, quoted, "\"")
        target = quoted[2]
        if (target == "stoker.h") {
            to = "api"
            file = "include/stoker.h"
        } else {
            to = folder_of(target)
            file = "src/" target
            if (target !~ /^[a-z]+\/([a-z0-9]+\/)?[^\/]+$/)
                complain(FILENAME ":" FNR ": \"" target "\" must be written \"layer/file.h\" or \"layer/folder/file.h\"")
        }
        if (folder == "")
            complain(FILENAME ":" FNR ": the public header includes \"" target "\"; it must stand alone")
        else if (to != folder && !allowed[folder, to])
            complain(FILENAME ":" FNR ": " folder "/ may not include " to "/ (src/LAYERS)")
        else if (to != folder && closed[to] && !published[target] && index(folder, to "/") != 1)
            complain(FILENAME ":" FNR ": " to "/ does not publish " target " (src/LAYERS)")
        used[folder, to] = 1
        if (FILENAME ~ /\.h$/)
            edge[FILENAME] = edge[FILENAME] " " file
    }

    END {
        for (node in edge)
            walk(node, "")
        for (pair in allowed) {
            split(pair, names, SUBSEP)
            if (!used[pair])
                complain("src/LAYERS: " names[1] " includes nothing of " names[2])
        }
        for (header in published)
            if (!there[header])
                complain("src/LAYERS: " header " is not there")
        exit bad
    }' || status=1

find src -name '*.[ch]' | sed 's,/[^/]*$,,' | sort | uniq -c | awk '
    $1 > 40 { print $2 "/ has " $1 " sources; 40 fit: divide it"; bad = 1 }
    END { exit bad }' || status=1

# Rule 12.
sources src | xargs awk '
    FNR == 1 { is_made = /^\/\* Made by tools\// }
    FNR == 601 && !is_made { print FILENAME " has more than 600 lines; move a subject of it into a file of its own"; bad = 1 }
    END { exit bad }' || status=1

for document in README.md docs/*.md docs/spec/*.md; do
    for path in $(grep -oE '`(src|include|tests|tools|docs|models|examples|bench)/[A-Za-z0-9_./-]*`' "$document" | tr -d '`'); do
        case $path in *NAME*) continue ;; esac
        [ -e "$path" ] || { echo "$document names $path, which is not there" && status=1; }
    done
done

awk '
    function is_in(path, name,    line, i, part, n) {
        if (!(path in text)) {
            while ((getline line < path) > 0)
                text[path] = text[path] line "\n"
            close(path)
        }
        n = split(text[path], part, name "\\(")
        for (i = 1; i < n; i++)
            if (part[i] !~ /[A-Za-z0-9_]$/)
                return 1
        return 0
    }

    {
        path = ""
        n = split($0, word, "`")
        for (i = 2; i <= n; i += 2)
            if (word[i] ~ /^src\/.*\.[ch]$/)
                path = word[i]
            else if (path != "" && word[i] ~ /^[a-z0-9_]+\(\)$/ && !is_in(path, substr(word[i], 1, length(word[i]) - 2))) {
                print FILENAME ":" FNR ": " word[i] " is not in " path
                bad = 1
            }
    }

    END { exit bad }' docs/MAP.md || status=1

# Rule 8. Rows such as "| `src/base/` | 35 | 2050 | ... |".
sed -nE 's,^\| `(src/[a-z0-9/]*)/` \| ([0-9]+) \| ([0-9]+) \|.*,\1 \2 \3,p' docs/MAP.md | while read -r folder files lines; do
    echo "$folder $files $lines $(ls "$folder"/*.[ch] | wc -l) $(cat "$folder"/*.[ch] | wc -l)"
done | awk '
    $2 != $4 || $3 > 1.1 * $5 || $5 > 1.1 * $3 {
        print "docs/MAP.md: " $1 "/ has " $4 " files with " $5 " lines, not " $2 " with " $3
        bad = 1
    }
    END { exit bad || NR < 20 }' || status=1

# Rule 4. A file is one text, the marks of comments between its lines taken off: a citation may go over the end of a line.
{
    find src include tests tools -name '*.[ch]' -o -name '*.sh' ! -name tidy.sh
    ls docs/spec/*.md
} | LC_ALL=C sort | xargs awk '
    # The headings of a document: "## 3. Title", "### 3.1 Title", "## A. Title". 0: there is no such document.
    function headings(name,    path, i, line, part) {
        if (name in is_there)
            return is_there[name]
        is_there[name] = 0
        for (i = 1; i <= 3 && !is_there[name]; i++) {
            path = (i == 1 ? "docs/spec/" : i == 2 ? "docs/" : "") name
            while ((getline line < path) > 0) {
                is_there[name] = 1
                if (line ~ /^###? [0-9A-Z][0-9a-z.]* /) {
                    split(line, part, " ")
                    sub(/\.$/, "", part[2])
                    section[name, part[2]] = 1
                }
            }
            close(path)
        }
        return is_there[name]
    }

    # What stands behind a name: sections with commas, "and" and "to" between them.
    function check_sections(name, rest,    id) {
        sub(/^\)? of the specification/, "", rest)
        sub(/^[,)]? ?(parts? )?/, "", rest)
        while (match(rest, /^([0-9]+[a-z]?(\.[0-9]+)?|[A-Z](\.[0-9]+)?)/)) {
            id = substr(rest, 1, RLENGTH)
            rest = substr(rest, RLENGTH + 1)
            if (rest ~ /^[A-Za-z0-9_]/)
                return
            if (!((name, id) in section)) {
                print file ": " name " has no section " id
                bad = 1
            }
            sub(/^ \([^)]*\)/, "", rest)
            if (!sub(/^(, | and | to )/, "", rest))
                return
        }
    }

    function check(text,    name, before) {
        while (match(text, /[A-Za-z_]+\.md/)) {
            name = substr(text, RSTART, RLENGTH)
            before = substr(text, 1, RSTART - 1)
            sub(/.*[ (`"]/, "", before)
            text = substr(text, RSTART + RLENGTH)
            if (before ~ /:\/\// || text ~ /^[A-Za-z]/)
                continue
            if (before !~ /\/$/ || before ~ /(^|\/)docs\/(spec\/)?$|^\.\.\/$/ ? headings(name) : 0)
                check_sections(name, text)
            else {
                print file " cites " before name ", which is not in docs/spec/ or docs/"
                bad = 1
            }
        }
    }

    FNR == 1 {
        check(text)
        file = FILENAME
        text = ""
    }

    {
        sub(/^[ \t]*(\*|#)?[ \t]*/, "")
        text = text $0 " "
    }

    END {
        check(text)
        exit bad
    }' || status=1

sources src include tests examples bench tools | xargs awk '
    length > 140 { print FILENAME ":" FNR ": " length " characters; 140 fit"; bad = 1 }
    END { exit bad }' || status=1

# Rule 9.
{
    sources src include tests
    ls packaging/* README.md docs/*.md docs/spec/*.md | grep -v docs/STYLE.md # which names them
} | xargs grep -nE "\b(wish(es|ed)?|bell|loose|order of sacrifice|gone on (from|with)|have_pages|piece_home|prefix_hang|seq_tear|block_lead|jlook|\
jinja_class|n_(said|told|wants|touched)|is_touched|HTTP_GONE|told_whole|reqmem_wanted|queue_deal|run_few|book_depth|speak_last)\b|(->|\.|\*|struct )(\
gone|said|told)\b|\b((un)?touch|(slot_)?settle(_[a-z]+)?)\(|\b(room|closing|wish)_[a-z]+|\b[a-z]+_room\b" && echo "these words have others: docs/STYLE.md" && status=1

# Rule 10.
sh tests/mutate.sh --dry || status=1

# Rule 11.
architectures=$(grep -lE '^(const struct arch arch_|ROW\(arch_)' src/model/arch/*.c src/model/recurrent/*.c src/model/encoder/*.c)
# shellcheck disable=SC2086 # a list of files
wc -l $architectures | awk '
    $2 == "total" { next }
    $1 > 250 { print $2 " has " $1 " lines; an architecture has at most 250"; bad = 1 }
    { n++ }
    $1 <= 90 { short++ }
    END {
        if (2 * short < n) {
            print "of " n " architectures " short " have at most 90 lines; half must"
            bad = 1
        }
        exit bad || n < 40
    }' || status=1
wc -l src/model/block/*.c | awk '
    $2 !~ /total|block\/(attention|latent|moe)\.c$/ && $1 > 200 { print $2 " has " $1 " lines; a block has at most 200"; bad = 1 }
    END { exit bad }' || status=1
# shellcheck disable=SC2086
names=$(cat $architectures | grep -oE '(\.name = |^ROW\(arch_[a-z0-9_]+, )"[^"]+"' | cut -d'"' -f2 | paste -sd '|')
find src/model src/op src/engine src/store -name '*.[ch]' | grep -vE '^src/model/(arch|recurrent|encoder)/' | xargs grep -nE "\"($names)[\".]" &&
    echo "architectures are named in src/model/arch, recurrent and encoder alone" && status=1
seeds=" $(cat tests/fuzz/gguf/* | LC_ALL=C tr '\0' '\n' | LC_ALL=C sed -n 's/^\([a-z0-9_-]*\)\.block_count.*/\1/p' | tr '\n' ' ')"
for name in $(echo "$names" | tr '|' ' '); do
    case $seeds in
    *" $name "*) ;;
    *) echo "tests/fuzz/gguf has no header of $name" && status=1 ;;
    esac
done

if command -v clang-format >/dev/null 2>&1; then
    # It takes the longest by far, so only of files that have changed since it last found nothing.
    formatted=${BUILD:-build}/formatted
    [ -e "$formatted" ] && [ "$formatted" -nt .clang-format ] && newer="-newer $formatted" || newer=
    mkdir -p "$(dirname "$formatted")" && touch "$formatted.now"
    # shellcheck disable=SC2086 # an option and its value, or nothing
    if find src include tests examples bench -name '*.[ch]' $newer | xargs -r -n 16 -P "$(nproc)" clang-format --dry-run -Werror; then
        mv "$formatted.now" "$formatted"
    else
        status=1
    fi
else
    echo "clang-format is absent: formatting is not checked"
fi
exit $status
