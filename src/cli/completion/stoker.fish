# fish completion for stoker, made by: stoker completion fish
function __stoker_words
    set -l words (commandline -opc)
    set -l command $words[2]
    set -l last $words[-1]
    if test (count $words) -le 1
        $words[1] --help 2>/dev/null | sed -n '/^commands/,$s/^  \([a-z]*\)  *\(.*\)/\1\t\2/p'
        return
    end
    if test $command = completion
        printf '%s\n' bash zsh fish
        return
    end
    set -l help ($words[1] $command --help 2>/dev/null)
    if string match -q -- '-*' $last
        set -l value (string match -r -g -- '^  (?:-[^ ]+, )?'(string escape --style=regex -- $last)'(?:, -[^ ]+)? ([^ ]+)' $help)
        if test -n "$value"
            if string match -qr -- 'FILE|DIR|PATH|gguf' $value
                __fish_complete_path (commandline -ct)
            end
            if string match -q -- '*|*' $value
                string split -- '|' $value | string match -r -- '^[a-z0-9_]+$'
            end
            return
        end
    end
    if string match -q -- '-*' (commandline -ct)
        for line in $help
            set -l part (string match -r -g -- '^  (-[^ ,]+)(?:, (-[^ ]+))?(?: [^ ]+)? +([^ ].*)$' $line)
            or continue
            printf '%s\t%s\n' $part[1] $part[-1]
            test -n "$part[2]" -a (count $part) -eq 3; and printf '%s\t%s\n' $part[2] $part[3]
        end
        printf '%s\t%s\n' --help 'how to use it'
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c stoker -f -a '(__stoker_words)'
