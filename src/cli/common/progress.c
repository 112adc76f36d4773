/* See progress.h. */
#include "cli/common/progress.h"

#include "base/clock.h"
#include "cli/common/flags.h"

#include <stdio.h>
#include <unistd.h>

void progress_begin(struct progress *p, const char *what, enum progress_unit unit, uint64_t first)
{
    *p = (struct progress){
        .what = what, .unit = unit, .begun = clock_seconds(), .first = first, .is_terminal = isatty(STDERR_FILENO)};
}

/* "412 tokens", "1.20 GiB" */
static void show_amount(char *out, size_t n, enum progress_unit unit, double amount)
{
    if (unit == PROGRESS_BYTES)
        snprintf(out, n, "%s", show_bytes((uint64_t)amount));
    else
        snprintf(out, n, amount < 10 ? "%.1f tokens" : "%.0f tokens", amount);
}

static void show_left(double seconds)
{
    if (seconds < 90)
        fprintf(stderr, ", %.0f s left", seconds);
    else if (seconds < 5400)
        fprintf(stderr, ", %.0f min left", seconds / 60);
    else
        fprintf(stderr, ", %.1f h left", seconds / 3600);
}

void progress_show(struct progress *p, uint64_t done, uint64_t total)
{
    double now = clock_seconds(), seconds = now - p->begun;
    char rate[32];
    if (!p->is_terminal || seconds < PROGRESS_AFTER || (p->is_shown && now - p->shown_at < PROGRESS_EVERY))
        return;
    p->shown_at = now;
    p->is_shown = 1;
    if (p->unit == PROGRESS_BYTES)
        fprintf(stderr, "\r%s: %s of %s", p->what, show_bytes(done), show_bytes(total));
    else
        fprintf(stderr, "\r%s: %llu of %llu tokens", p->what, (unsigned long long)done, (unsigned long long)total);
    if (done > p->first) {
        double per_second = (double)(done - p->first) / seconds;
        show_amount(rate, sizeof rate, p->unit, per_second);
        fprintf(stderr, ", %s/s", rate);
        show_left((double)(total - done) / per_second);
    }
    fprintf(stderr, "\033[K");
    fflush(stderr);
}

void progress_show_loading(void *arg, uint64_t done, uint64_t total) { progress_show(arg, done, total); }

void progress_end(struct progress *p)
{
    if (p->is_shown)
        fprintf(stderr, "\r\033[K");
    p->is_shown = 0;
}
