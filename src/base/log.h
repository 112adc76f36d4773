/* Messages that an operator may want to read without asking for them. Below cli/ and server/ nothing prints: lines go to a sink that the
 * program sets at start; without a sink they are dropped. A line is one sentence without a newline. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_INFO, LOG_WARN };

/* line is the caller's during the call only. The sink is called by whichever thread logs, by several at the same time. */
typedef void log_sink(enum log_level level, const char *line);

/* NULL: lines are dropped. Call it while no other thread runs. */
void log_to(log_sink *sink);

/* A line of at most 479 bytes; what is longer is cut. Control characters and bytes that are not UTF-8 become "?". */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
