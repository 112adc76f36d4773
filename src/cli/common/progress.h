/* One line on a terminal's stderr with the progress of long work: how much of how much, how fast, and for how much longer. It is
 * removed when the work is done. Nothing is shown where stderr is no terminal, and nothing of work that takes less than PROGRESS_AFTER. */
#ifndef CLI_COMMON_PROGRESS_H
#define CLI_COMMON_PROGRESS_H

#include <stdint.h>

#define PROGRESS_AFTER 0.3 /* seconds */
#define PROGRESS_EVERY 0.1

enum progress_unit { PROGRESS_BYTES, PROGRESS_TOKENS, PROGRESS_ITEMS, PROGRESS_ROWS };

struct progress {
    const char *what; /* "loading" */
    enum progress_unit unit;
    double begun, shown_at; /* seconds of the clock */
    uint64_t first;         /* what was done when it began */
    int is_terminal, is_shown;
};

/* Begins work of which `first` is done already (by unit). what: "loading"; it outlives p. Prints nothing yet. */
void progress_begin(struct progress *p, const char *what, enum progress_unit unit, uint64_t first);
/* So much of total is done. Call it at least twice a second, also where nothing has changed. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);
/* The same for stoker_options.progress: arg is the struct progress. */
void progress_show_loading(void *arg, uint64_t done, uint64_t total);
/* Shows a text in place of amounts, at once. It is cut where the line ends. */
void progress_say(struct progress *p, const char *text);
/* Takes the line away. May be called twice. */
void progress_end(struct progress *p);

#endif
