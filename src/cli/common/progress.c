/* See progress.h. */
#include "cli/common/progress.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/common/flags.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void progress_begin(struct progress *p, const char *what, enum progress_unit unit, uint64_t first)
{
    *p = (struct progress){
        .what = what, .unit = unit, .begun = clock_seconds(), .first = first, .is_terminal = isatty(STDERR_FILENO)};
}

static const char *name_of(enum progress_unit unit)
{
    return unit == PROGRESS_ITEMS ? "items" : unit == PROGRESS_ROWS ? "rows" : "tokens";
}

/* "412 tokens", "1.20 GiB" */
static void show_amount(char *out, size_t n, enum progress_unit unit, double amount)
{
    if (unit == PROGRESS_BYTES)
        snprintf(out, n, "%s", show_bytes((uint64_t)amount));
    else
        snprintf(out, n, amount < 10 ? "%.1f %s" : "%.0f %s", amount, name_of(unit));
}

static void show_left(char *out, size_t n, double seconds)
{
    if (seconds < 90)
        snprintf(out, n, "%.0f s", seconds);
    else if (seconds < 5400)
        snprintf(out, n, "%.0f min", seconds / 60);
    else
        snprintf(out, n, "%.1f h", seconds / 3600);
}

/* A line that the terminal wraps could not be taken away: it ends before, and between characters. */
static void put(struct progress *p, const char *line)
{
    struct winsize size;
    size_t most = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col - 1u : SIZE_MAX;
    size_t n = strlen(line);
    if (n > most)
        for (n = most; n > 0 && !utf8_begins(line[n]);)
            n--;
    p->is_shown = 1;
    fprintf(stderr, "\r%.*s\033[K", (int)n, line);
    fflush(stderr);
}

void progress_show(struct progress *p, uint64_t done, uint64_t total)
{
    double now = clock_seconds(), seconds = now - p->begun;
    char line[200], rate[32], left[32];
    if (!p->is_terminal || seconds < PROGRESS_AFTER || (p->is_shown && now - p->shown_at < PROGRESS_EVERY))
        return;
    p->shown_at = now;
    int n = p->unit == PROGRESS_BYTES
                ? snprintf(line, sizeof line, "%s: %s of %s", p->what, show_bytes(done), show_bytes(total))
                : snprintf(line, sizeof line, "%s: %llu of %llu %s", p->what, (unsigned long long)done,
                           (unsigned long long)total, name_of(p->unit));
    if (done > p->first && n > 0 && (size_t)n < sizeof line) {
        double per_second = (double)(done - p->first) / seconds;
        show_amount(rate, sizeof rate, p->unit, per_second);
        show_left(left, sizeof left, (done < total ? (double)(total - done) : 0) / per_second);
        snprintf(line + n, sizeof line - (size_t)n, ", %s/s, %s left", rate, left);
    }
    put(p, line);
}

void progress_say(struct progress *p, const char *text)
{
    if (p->is_terminal)
        put(p, text);
}

void progress_show_loading(void *arg, uint64_t done, uint64_t total) { progress_show(arg, done, total); }

void progress_end(struct progress *p)
{
    if (p->is_shown)
        fprintf(stderr, "\r\033[K");
    p->is_shown = 0;
}
