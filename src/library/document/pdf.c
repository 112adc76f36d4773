/* See pdf.h. The program's output goes into a file without a name, not a pipe: it can be waited for, and the system bounds its size. */
#include "library/document/pdf.h"

#include "base/error.h"
#include "library/document/elements.h"
#include "library/document/markdown.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The program's path; 0: it is nowhere. */
static int find_program(char out[PATH_MAX])
{
    const char *path = getenv("PATH");
    for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        if (n && snprintf(out, PATH_MAX, "%.*s/pdftotext", (int)n, p) < PATH_MAX && access(out, X_OK) == 0)
            return 1;
        p += n + (p[n] != 0);
    }
    return 0;
}

int pdf_ready(struct error *err)
{
    char program[PATH_MAX];
    return find_program(program) ? 0
                                 : error_set(err, ERR_UNSUPPORTED,
                                             "PDF is read by pdftotext, which this system lacks; install it (Debian's "
                                             "package poppler-utils), then run the command again");
}

static void limit(int what, rlim_t most) { setrlimit(what, &(struct rlimit){most, most}); }

/* In the child. A session of its own: who interrupts stoker lets it end its work; it dies with stoker. */
static void become(const char *program, int in, int out, int seconds, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* it died before */
    setsid();
    signal(SIGXFSZ, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    limit(RLIMIT_AS, PDF_MEMORY);
    limit(RLIMIT_FSIZE, PDF_TEXT);
    limit(RLIMIT_CORE, 0);
    int nowhere = open("/dev/null", O_WRONLY);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(nowhere, STDERR_FILENO) >= 0) {
        alarm((unsigned)seconds); /* which exec keeps */
        execl(program, "pdftotext", "-q", "-enc", "UTF-8", "/proc/self/fd/0", "-", (char *)NULL);
    }
    _exit(127);
}

static int run(int fd, int out, int seconds, struct error *err)
{
    char program[PATH_MAX];
    int status = 0;
    if (!find_program(program))
        return pdf_ready(err);
    pid_t self = getpid(), child = fork();
    if (child == 0)
        become(program, fd, out, seconds, self);
    if (child < 0)
        return error_set(err, ERR_IO, "pdftotext cannot be started: %s", strerror(errno));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return error_set(err, ERR_IO, "pdftotext: %s", strerror(errno));
    int ended_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (ended_by == SIGALRM)
        return error_set(err, ERR_INPUT, "pdftotext did not end within %d s", seconds);
    if (ended_by == SIGXFSZ)
        return error_set(err, ERR_INPUT, "it has more than %d MiB of text", PDF_TEXT >> 20);
    if (ended_by)
        return error_set(err, ERR_INPUT, "pdftotext was ended by signal %d", ended_by);
    if (WEXITSTATUS(status))
        return error_set(err, ERR_FORMAT, "pdftotext cannot read it (its status is %d)", WEXITSTATUS(status));
    return 0;
}

/* ---- pages ---------------------------------------- */

struct pages {
    const struct text_sink *to;
    int page;
};

static void begin_section(void *arg, const struct text_section *s)
{
    struct pages *p = arg;
    struct text_section section = *s;
    char anchor[32];
    snprintf(anchor, sizeof anchor, "page=%d", p->page);
    section.anchor = anchor;
    p->to->section(p->to->arg, &section);
}

static void add_line(void *arg, const char *text, size_t n, int ends)
{
    struct pages *p = arg;
    p->to->line(p->to->arg, text, n, ends);
}

/* Pages end in form feeds. */
static int read_pages(FILE *f, const char *title, const struct text_sink *sink, struct error *err)
{
    struct pages p = {.to = sink, .page = 1};
    struct text_sink mine = {&p, begin_section, add_line};
    struct elements *e = malloc(sizeof *e);
    char piece[4096];
    size_t n;
    if (!e)
        return error_set(err, ERR_MEMORY, "no memory to read a text");
    struct paragraphs text = {e, 1};
    elements_begin(e, title, &mine);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0) {
        size_t from = 0;
        for (const char *end; (end = memchr(piece + from, '\f', n - from)); p.page++) {
            paragraphs_put(&text, piece + from, (size_t)(end - piece) - from);
            elements_finish(e);
            elements_begin(e, title, &mine);
            text.is_empty = 1;
            from = (size_t)(end - piece) + 1;
        }
        paragraphs_put(&text, piece + from, n - from);
    }
    elements_finish(e);
    free(e);
    return ferror(f) ? error_set(err, ERR_IO, "the text of a PDF: %s", strerror(errno)) : 0;
}

int pdf_sections(int fd, int seconds, const char *title, const struct text_sink *sink, struct error *err)
{
    FILE *f = tmpfile();
    if (!f)
        return error_set(err, ERR_IO, "no place for the text of a PDF: %s", strerror(errno));
    fcntl(fileno(f), F_SETFD, FD_CLOEXEC);
    int failed = run(fd, fileno(f), seconds, err);
    rewind(f);
    if (!failed)
        failed = read_pages(f, title, sink, err);
    fclose(f);
    return failed;
}
