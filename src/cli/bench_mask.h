/* stoker bench --mask PATH. */
#ifndef CLI_BENCH_MASK_H
#define CLI_BENCH_MASK_H

/* format: "md" or "json". Returns the exit status. */
int bench_mask(const char *model, const char *path, const char *format);

#endif
