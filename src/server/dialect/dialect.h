/* Dialects of the APIs: which one a path belongs to, and how its errors look. */
#ifndef SERVER_DIALECT_DIALECT_H
#define SERVER_DIALECT_DIALECT_H

struct out;
struct refusal;

enum dialect { DIALECT_OPENAI, DIALECT_ANTHROPIC, DIALECT_OLLAMA };

/* By how the path begins: paths without a route have one too. */
enum dialect dialect_of(const char *path);

/* Appends the error object of a dialect to o, as JSON; o->failed: no memory. Also for the last event of streams, which the dialect's file
 * puts into its frame. */
void write_error(struct out *o, enum dialect d, const struct refusal *r, const char *request_id);

#endif
