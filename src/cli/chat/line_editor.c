/* See line_editor.h. libedit edits; signals are ours: they are let in only while the next key is waited for, so that none is lost and
 * each is obeyed where the terminal can be put right first. Its own handlers would pass them on to the whole process group. */
#include "cli/chat/line_editor.h"

#include "cli/chat/chat.h"
#include "cli/chat/complete.h"
#include "cli/chat/paste.h"
#include "cli/chat/wrap.h"
#include "cli/common/cli.h"
#include "cli/common/user_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { REMEMBERED = 1000, FILE_MOST = 1 << 20, ESCAPE_PAUSE_MS = 50, PASTE_PAUSE_MS = 2000 };

struct line_editor {
    EditLine *el; /* NULL: plain lines */
    History *history;
    int file; /* of the history, -1: none */
    const char *prompt;
    mbstate_t state;             /* of the character that keys make up */
    sigset_t waiting;            /* the signals that are let in while waiting */
    int interrupted;             /* 1: on an empty line, 2: on one with text */
    int joined;                  /* Alt-Enter ended the line */
    char queue[PASTE_TYPED + 1]; /* bytes that come before those of the terminal: [queue_at, queue_end) */
    size_t queue_at, queue_end;
    struct pastes pastes; /* of the line at hand, and of the history */
    char *plain;          /* of getline() */
    size_t plain_capacity;
    char *last; /* the line remembered last */
};

/* ---- the history's file ----------------------------------------------------------------------------------------------------- */

static int open_file(void)
{
    char path[PATH_MAX];
    if (user_path(path, USER_STATE, "history"))
        return -1;
    return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void remember(struct line_editor *e, const char *line)
{
    HistEvent ev;
    history(e->history, &ev, H_ENTER, line);
    free(e->last);
    e->last = strdup(line);
}

/* The last lines of the file. One that has grown too long keeps only them. */
static void load(struct line_editor *e)
{
    off_t size = lseek(e->file, 0, SEEK_END), from = size > FILE_MOST ? size - FILE_MOST : 0;
    char *text = size > 0 ? malloc((size_t)(size - from) + 1) : NULL;
    ssize_t n = text ? pread(e->file, text, (size_t)(size - from), from) : 0;
    if (n > 0) {
        text[n] = 0;
        char *line = from > 0 && strchr(text, '\n') ? strchr(text, '\n') + 1 : text, *rest = line;
        size_t kept = (size_t)(text + n - line);
        if (from > 0 && ftruncate(e->file, 0) == 0 && write(e->file, line, kept) != (ssize_t)kept)
            from = 0; /* a full disk: the history is shorter than it was */
        while ((line = strsep(&rest, "\n"))) {
            char *marked = *line ? paste_unpack(&e->pastes, line) : NULL;
            if (marked)
                remember(e, marked);
            free(marked);
        }
    }
    free(text);
}

/* line: with the marks of pastes. */
static void keep(struct line_editor *e, const char *line)
{
    if (*line == 0 || (e->last && strcmp(e->last, line) == 0))
        return;
    remember(e, line);
    char *packed = e->file >= 0 ? paste_pack(&e->pastes, line) : NULL;
    if (packed) {
        size_t n = strlen(packed);
        packed[n] = '\n';
        if (write(e->file, packed, n + 1) < 0) { /* the line counts all the same */
            close(e->file);
            e->file = -1;
        }
    }
    free(packed);
}

/* ---- signals ---------------------------------------------------------------------------------------------------------------- */

/* In the order in which they are obeyed: several may come in one wait. */
static const int signals[] = {SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGINT};
enum { N_SIGNALS = sizeof signals / sizeof *signals };

static volatile sig_atomic_t pending[N_SIGNALS];

static void note(int sig)
{
    for (int i = 0; i < N_SIGNALS; i++)
        if (signals[i] == sig)
            pending[i] = 1;
}

/* The terminal as it was, then what the signal does by itself; back here only from a stop. */
static void handle_signal(struct line_editor *e, int sig)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, ours;
    sigset_t one;
    fputs(PASTE_OFF, stderr);
    el_set(e->el, EL_PREP_TERM, 0);
    sigaction(sig, &usual, &ours);
    sigemptyset(&one);
    sigaddset(&one, sig);
    raise(sig);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    sigprocmask(SIG_BLOCK, &one, NULL);
    sigaction(sig, &ours, NULL);
    el_set(e->el, EL_PREP_TERM, 1);
    fputs(PASTE_ON, stderr);
    el_set(e->el, EL_REFRESH);
}

/* 0: go on waiting; -1: the line is over. */
static int take_signals(struct line_editor *e)
{
    for (int i = 0; i < N_SIGNALS; i++) {
        if (!pending[i])
            continue;
        pending[i] = 0;
        if (signals[i] == SIGINT) {
            const LineInfo *line = el_line(e->el);
            e->interrupted = line->lastchar > line->buffer ? 2 : 1;
            return -1;
        }
        if (signals[i] == SIGWINCH)
            el_resize(e->el);
        else
            handle_signal(e, signals[i]);
    }
    return 0;
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------- */

/* The next byte; signals are obeyed while it is waited for. 1, 0 at the end of input, -1: the line is over. */
static int wait_byte(struct line_editor *e, char *byte)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    if (e->queue_at < e->queue_end) {
        *byte = e->queue[e->queue_at++];
        return 1;
    }
    while (ppoll(&in, 1, NULL, &e->waiting) < 0)
        if (errno != EINTR || take_signals(e))
            return -1;
    ssize_t n = read(STDIN_FILENO, byte, 1);
    return n < 0 ? -1 : (int)n;
}

/* A byte that belongs to those before it, if one comes soon. */
static int next_soon(int milliseconds, char *byte)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&in, 1, milliseconds) > 0 && read(STDIN_FILENO, byte, 1) == 1;
}

static void type(struct line_editor *e, const char *text, size_t n)
{
    memcpy(e->queue, text, n);
    e->queue_at = 0;
    e->queue_end = n;
}

/* One byte more of a growing text; -1: it is too long, or there is no memory. */
static int add_byte(char **text, size_t *n, size_t *cap, char byte)
{
    if (*n == *cap) {
        char *grown = *cap < PASTE_MOST ? realloc(*text, *cap ? 2 * *cap : 4096) : NULL;
        if (!grown)
            return -1;
        *text = grown;
        *cap = *cap ? 2 * *cap : 4096;
    }
    (*text)[(*n)++] = byte;
    return 0;
}

/* All of a paste, up to its end or until nothing more comes; one that cannot be kept is read all the same, and NULL. */
static char *read_paste(size_t *n)
{
    static const char end[] = PASTE_END;
    size_t cap = 0, n_end = sizeof end - 1, matched = 0;
    char *text = NULL, byte;
    int lost = 0;
    *n = 0;
    while (matched < n_end && next_soon(PASTE_PAUSE_MS, &byte)) {
        matched = byte == end[matched] ? matched + 1 : byte == end[0];
        lost = lost || add_byte(&text, n, &cap, byte);
    }
    if (matched == n_end && !lost)
        *n -= n_end;
    if (lost) {
        free(text);
        text = NULL;
    }
    return text;
}

/* The editor types a paste, or its mark, where the cursor is. */
static void insert(struct line_editor *e, const char *text, size_t n)
{
    const LineInfo *line = el_line(e->el);
    paste_inserted(&e->pastes, text, n, (size_t)(line->cursor - line->buffer), line->cursor == line->lastchar);
    type(e, text, n);
}

/* Behind the bytes that begin a paste. */
static void take_paste(struct line_editor *e)
{
    size_t n;
    char *text = read_paste(&n);
    if (!text) {
        fputs("\a", stderr);
        return;
    }
    n = paste_tidy(text, n);
    if (paste_is_plain(text, n)) {
        insert(e, text, n);
        free(text);
        return;
    }
    const char *mark = paste_keep(&e->pastes, text, n);
    if (mark)
        insert(e, mark, strlen(mark));
    else
        fputs("\a", stderr);
}

enum escape {
    ESCAPE_PASTE,
    ESCAPE_ENTER, /* Alt-Enter: the line ends, and the message goes on */
    ESCAPE_KEY
};

/* An escape has come: what does it begin? What came behind it is queued, unless that was the beginning of a paste. */
static enum escape escape_of(struct line_editor *e)
{
    static const char begin[] = PASTE_BEGIN;
    size_t n = 0;
    char byte;
    while (n + 2 < sizeof begin && next_soon(ESCAPE_PAUSE_MS, &byte)) {
        e->queue[n++] = byte;
        if (byte != begin[n])
            break;
    }
    if (n + 2 == sizeof begin && e->queue[n - 1] == begin[n])
        return ESCAPE_PASTE;
    int is_enter = n == 1 && (e->queue[0] == '\r' || e->queue[0] == '\n');
    e->joined |= is_enter;
    e->queue_at = 0;
    e->queue_end = n;
    return is_enter ? ESCAPE_ENTER : ESCAPE_KEY;
}

/* The next character: for libedit. 1, 0 at the end of input, -1. */
static int next_key(EditLine *el, wchar_t *key)
{
    struct line_editor *e;
    el_get(el, EL_CLIENTDATA, &e);
    for (;;) {
        char byte = 0;
        int is_typed = e->queue_at == e->queue_end, got = wait_byte(e, &byte);
        const LineInfo *line = el_line(el);
        int is_empty = line->lastchar == line->buffer,
            is_early_end = byte == 0 && is_empty; /* Ctrl-D from before the terminal was ours */
        if (got <= 0 || is_early_end)
            return got < 0 ? -1 : 0;
        if (is_empty && is_typed)
            paste_forget_edges(&e->pastes);
        enum escape escape = byte == '\033' && is_typed ? escape_of(e) : ESCAPE_KEY;
        if (escape == ESCAPE_PASTE)
            take_paste(e);
        if (escape != ESCAPE_KEY)
            continue;
        size_t length = mbrtowc(key, &byte, 1, &e->state);
        if (length == (size_t)-2)
            continue;
        if (length == (size_t)-1) { /* no character: what reads the line says so */
            memset(&e->state, 0, sizeof e->state);
            *key = 0xFFFD;
        }
        return 1;
    }
}

static char *show_prompt(EditLine *el)
{
    struct line_editor *e;
    el_get(el, EL_CLIENTDATA, &e);
    return (char *)(size_t)e->prompt;
}

/* Backspace: the mark of a paste goes whole. */
static unsigned char delete_before(EditLine *el, int key)
{
    (void)key;
    struct line_editor *e;
    el_get(el, EL_CLIENTDATA, &e);
    const LineInfo *line = el_line(el);
    if (line->cursor == line->buffer)
        return CC_ERROR;
    size_t mark = paste_mark_length(&e->pastes, line->buffer, (size_t)(line->cursor - line->buffer));
    el_deletestr(el, mark ? (int)mark : 1);
    return CC_REFRESH;
}

/* Tab. */
static unsigned char complete(EditLine *el, int key)
{
    (void)key;
    const LineInfo *line = el_line(el);
    char *end = complete_line(line->buffer, (size_t)(line->cursor - line->buffer), stderr);
    int is_new = end && *end;
    if (is_new)
        el_insertstr(el, end);
    free(end);
    return is_new ? CC_REFRESH : CC_REDISPLAY;
}

static void bind_keys(EditLine *el)
{
    static const char *const keys[][2] = {{"^R", "em-inc-search-prev"},   {"\\e[3~", "ed-delete-next-char"},
                                          {"\\e[1;5C", "em-next-word"},   {"\\e[1;5D", "ed-prev-word"},
                                          {"^?", "stoker-delete-before"}, {"^H", "stoker-delete-before"},
                                          {"^I", "stoker-complete"}};
    el_set(el, EL_EDITOR, "emacs");
    el_set(el, EL_ADDFN, "stoker-delete-before", "deletes a character or the mark of a paste", delete_before);
    el_set(el, EL_ADDFN, "stoker-complete", "completes a command or a path", complete);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        el_set(el, EL_BIND, keys[i][0], keys[i][1], NULL);
    el_source(el, NULL); /* the person's .editrc */
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

/* Escape sequences go to stderr: stdout holds answers and may be a file. */
static int can_edit(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

struct line_editor *line_editor_open(void)
{
    struct line_editor *e = calloc(1, sizeof *e);
    HistEvent ev;
    if (!e)
        return NULL;
    e->file = -1;
    if (!can_edit())
        return e;
    wrap_locale();
    if (!(e->history = history_init()) || !(e->el = el_init("stoker", stdin, stderr, stderr))) {
        line_editor_close(e);
        return NULL;
    }
    history(e->history, &ev, H_SETSIZE, REMEMBERED);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT, show_prompt);
    el_set(e->el, EL_GETCFN, next_key);
    el_set(e->el, EL_HIST, history, e->history);
    bind_keys(e->el);
    if ((e->file = open_file()) >= 0)
        load(e);
    return e;
}

void line_editor_close(struct line_editor *e)
{
    if (!e)
        return;
    if (e->el)
        el_end(e->el);
    if (e->history)
        history_end(e->history);
    if (e->file >= 0)
        close(e->file);
    paste_forget(&e->pastes);
    free(e->plain);
    free(e->last);
    free(e);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static enum line_read read_plain(struct line_editor *e, const char *prompt, struct line *out)
{
    fputs(prompt, stderr);
    fflush(stderr);
    ssize_t got = getline(&e->plain, &e->plain_capacity, stdin);
    while (got > 0 && (e->plain[got - 1] == '\n' || e->plain[got - 1] == '\r'))
        e->plain[--got] = 0;
    if (got < 0) {
        fputc('\n', stderr);
        return LINE_END;
    }
    *out = (struct line){.text = e->plain, .n = (size_t)got, .typed = (size_t)got};
    return LINE_READ;
}

static const char *edit(struct line_editor *e, int *n)
{
    struct sigaction noting = {.sa_handler = note}, before[N_SIGNALS];
    sigset_t blocked, mask;
    sigemptyset(&blocked);
    for (int i = 0; i < N_SIGNALS; i++)
        sigaddset(&blocked, signals[i]);
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    e->waiting = mask;
    for (int i = 0; i < N_SIGNALS; i++) {
        sigaction(signals[i], &noting, &before[i]);
        if (before[i].sa_handler == SIG_IGN) /* chosen by what started it (nohup) */
            sigaction(signals[i], &before[i], NULL);
    }
    e->interrupted = e->joined = 0;
    e->queue_at = e->queue_end = 0;
    paste_next_line(&e->pastes);
    for (int i = 0; i < N_SIGNALS; i++)
        pending[i] = 0;
    memset(&e->state, 0, sizeof e->state);
    fputs(PASTE_ON, stderr);
    const char *line = el_gets(e->el, n);
    fputs(PASTE_OFF, stderr);
    fflush(stderr);
    for (int i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return line;
}

static enum line_read read_edited(struct line_editor *e, const char *prompt, struct line *out)
{
    int length = 0;
    e->prompt = prompt;
    const char *got = edit(e, &length);
    if (e->interrupted || !got || length <= 0) {
        fputs(e->interrupted ? "^C\n" : "\n", stderr);
        return e->interrupted == 2 ? LINE_DROPPED : LINE_END;
    }
    while (length > 0 && (got[length - 1] == '\n' || got[length - 1] == '\r'))
        length--;
    size_t n = (size_t)length;
    if (paste_is_cut(&e->pastes, got, n)) {
        char *words = strndup(got, n);
        if (words) /* for the next time, but not for the next chat */
            remember(e, words);
        free(words);
        fprintf(stderr, "the mark of a paste was edited, so nothing is sent; paste again\n");
        return LINE_DROPPED;
    }
    *out = (struct line){.joined = e->joined,
                         .typed = paste_first(&e->pastes, got, n),
                         .ends_pasted = paste_is_last(&e->pastes, got, n)};
    free(e->plain);
    e->plain = out->text = paste_expand(&e->pastes, got, n, &out->n);
    e->plain_capacity = 0;
    if (!e->plain)
        return LINE_END;
    char *marked = strndup(got, n);
    if (marked)
        keep(e, marked);
    free(marked);
    return LINE_READ;
}

enum line_read line_editor_read(struct line_editor *e, const char *prompt, struct line *out)
{
    log_wait();
    enum line_read got = e->el ? read_edited(e, prompt, out) : read_plain(e, prompt, out);
    log_go_on();
    return got;
}

/* NULL: there is none; the terminal's line has ended all the same. */
static char *read_answer(const char *question)
{
    char *line = NULL;
    size_t cap = 0;
    fputs(question, stderr);
    fflush(stderr);
    clearerr(stdin); /* Ctrl-C or Ctrl-D at an earlier question ended that one only */
    ssize_t n = getline(&line, &cap, stdin);
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        line[--n] = 0;
    if (n >= 0)
        return line;
    fputc('\n', stderr);
    free(line);
    return NULL;
}

char *line_ask(const char *question)
{
    log_wait();
    char *answer = read_answer(question);
    log_go_on();
    return answer;
}

int line_ask_yes(const char *question)
{
    char *answer = line_ask(question);
    int yes = answer && (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0);
    free(answer);
    return yes;
}
