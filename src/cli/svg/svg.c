/* See svg.h. */
#include "cli/svg/svg.h"

#include "base/utf8.h"

#include <string.h>

/* 1: no text of XML 1.0 (section 2.2) holds it, or it is a control character, of which no viewer shows more than that it is there. */
static int is_no_text(uint32_t c) { return c < ' ' || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF; }

/* Any bytes, such as those of a file's name: what is not UTF-8, or no text of XML, becomes U+FFFD. */
static void put_escaped(FILE *f, const char *text)
{
    size_t left = strlen(text), length;
    for (; left > 0; text += length, left -= length) {
        uint32_t c;
        utf8_read(text, left, &length, &c);
        if (c == '&')
            fputs("&amp;", f);
        else if (c == '<')
            fputs("&lt;", f);
        else if (c == '>')
            fputs("&gt;", f);
        else if (c == '"')
            fputs("&quot;", f);
        else {
            char bytes[4];
            fwrite(bytes, 1, utf8_write(is_no_text(c) ? 0xFFFD : c, bytes), f);
        }
    }
}

/* Colours of Okabe and Ito, which colour-blind people tell from each other too; black and white stand for their eighth. */
static const char style[] =
    "<style>\n"
    ".paper{fill:#fff}text{fill:#1b1f24;font:13px "
    "system-ui,sans-serif}.small{font-size:11px}.title{font-weight:600;font-size:15px}\n"
    ".grid{stroke:#d8dee4}.axis{stroke:#57606a}line{stroke-width:1.5;fill:none}.grid,.axis{stroke-width:1}\n"
    ".c0{fill:#0072b2;stroke:#0072b2}.c1{fill:#e69f00;stroke:#e69f00}.c2{fill:#009e73;stroke:#009e73}\n"
    ".c3{fill:#cc79a7;stroke:#cc79a7}.c4{fill:#d55e00;stroke:#d55e00}.c5{fill:#56b4e9;stroke:#56b4e9}\n"
    ".c6{fill:#b3a800;stroke:#b3a800}.c7{fill:#8c959f;stroke:#8c959f}.mark{fill:#fff;stroke:none}.area{fill:none}\n"
    "@media "
    "(prefers-color-scheme:dark){.paper{fill:#0d1117}text{fill:#e6edf3}.grid{stroke:#30363d}.axis{stroke:#8b949e}\n"
    ".c0{fill:#3b9be0;stroke:#3b9be0}.mark{fill:#0d1117}}\n"
    "</style>\n";

void svg_begin(FILE *f, double width, double height, const char *title)
{
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" width=\"%g\" height=\"%g\" "
            "role=\"img\">\n<title>",
            width, height, width, height);
    put_escaped(f, title);
    fprintf(f, "</title>\n%s<rect class=\"paper\" x=\"0\" y=\"0\" width=\"%g\" height=\"%g\"/>\n", style, width,
            height);
}

void svg_end(FILE *f) { fputs("</svg>\n", f); }

void svg_text(FILE *f, double x, double y, const char *anchor, const char *class, const char *text)
{
    fprintf(f, "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class);
    put_escaped(f, text);
    fputs("</text>\n", f);
}

/* The end of a shape. */
static void end_shape(FILE *f, const char *name, const char *hint)
{
    if (!*hint) {
        fputs("/>\n", f);
        return;
    }
    fputs("><title>", f);
    put_escaped(f, hint);
    fprintf(f, "</title></%s>\n", name);
}

void svg_rect(FILE *f, double x, double y, double width, double height, const char *class, const char *data,
              const char *hint)
{
    fprintf(f, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" rx=\"2\" class=\"%s\"%s", x, y, width,
            height, class, data);
    end_shape(f, "rect", hint);
}

void svg_circle(FILE *f, double x, double y, double r, const char *class, const char *data, const char *hint)
{
    fprintf(f, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\" class=\"%s\"%s", x, y, r, class, data);
    end_shape(f, "circle", hint);
}

void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *class)
{
    fprintf(f, "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" class=\"%s\"/>\n", x1, y1, x2, y2, class);
}
