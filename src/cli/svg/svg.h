/* Pictures as SVG: shapes and texts, one after another, in colours for light and dark pages. Classes name what a shape is, and its data is
 * in attributes data-NAME, for programs and for tests. */
#ifndef CLI_SVG_SVG_H
#define CLI_SVG_SVG_H

#include <stdio.h>

/* Of shapes, by class: "c0" to "c7" are colours, to be hint from each other; "grid", "axis" are lines. */
enum { SVG_COLOURS = 8 };

void svg_begin(FILE *f, double width, double height, const char *title);
void svg_end(FILE *f);

/* A text whose anchor, "start", "middle" or "end", is at (x, y); class "" or "small". It may hold any bytes: U+FFFD stands for what is not
 * UTF-8 and for characters that XML does not have. */
void svg_text(FILE *f, double x, double y, const char *anchor, const char *class, const char *text);

/* data: attributes as they are written, ` data-layer="3"`, or "". hint: what a pointer above it shows; "": nothing. */
void svg_rect(FILE *f, double x, double y, double width, double height, const char *class, const char *data,
              const char *hint);
void svg_circle(FILE *f, double x, double y, double r, const char *class, const char *data, const char *hint);
void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *class);

#endif
