/* Dialects of the APIs: which one a path speaks, and how its errors look. */
#ifndef SERVER_DIALECT_DIALECT_H
#define SERVER_DIALECT_DIALECT_H

struct out;
struct refusal;

/* How an error is written. Paths without a row have a dialect too: by their beginning. */
enum dialect { DIALECT_OPENAI, DIALECT_ANTHROPIC, DIALECT_OLLAMA };

enum dialect dialect_of(const char *path);

/* The error object of a dialect, as JSON. Also the last event of streams: the dialect's file frames it. */
void write_error(struct out *o, enum dialect d, const struct refusal *r, const char *request_id);

#endif
