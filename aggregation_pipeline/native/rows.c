/* Writes columns of Arrow as rows of text in one pass: CSV, JSON and Excel's XML.
 *
 * A row is a list of pieces, the same list for each row. formats/common/rows.py makes it, and has a twin of this in
 * Arrow that gives the same bytes, which is used where this module is not built.
 *
 * Every place that comes from data is compared with a buffer's end before it is read, and every write with the end of
 * the output. The loop runs without the GIL. Only Python's limited API of 3.11 is used: one file serves 3.11 and later.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

/* Without these the package is installed without this module. */
#if !defined(__SIZEOF_INT128__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "A compiler with 128-bit integers and a little-endian processor are needed"
#endif

/* formats/common/rows.py has the same numbers. What the buffers of each hold:
 *
 *   CONSTANT  a: text
 *   CELL      a: validity bits; b: text for NULL. The next `number` pieces are written only where the bit is set.
 *   TEXT      a: int32 offsets; b: bytes; c: table of escapes, or nothing
 *   DECIMAL   a: int128; `number`: digits after the point
 *   DATE      a: int32, days since 1970
 *   CLOCK     a: int64, microseconds since 1970; b: one character between date and time; `number`: digits of a second
 *   FLOAT     a: float64 from 1 on and below 2^32
 *   others    a: integers of that type
 */
enum { CONSTANT, CELL, TEXT, DECIMAL, DATE, CLOCK, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT, KINDS };

static const Py_ssize_t ITEM_SIZE[KINDS] = {0, 0, 4, 16, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 8};

/* A table of escapes has 8 bytes for each of the 256 bytes: the length of what is written instead, and up to 7 bytes of
 * it. Length 0: the byte is written as it is. Bytes from 128 on, parts of longer characters, have no escapes. */
enum { ENTRY = 8, TABLE = 256 * ENTRY, MOST_ESCAPED = 4 };

/* No number or date is longer. Blocks of this size may be written behind a value, to be overwritten by the next. */
enum { ROOM = 64, BLOCK = 16 };

static const int64_t FIRST_DAY = -719162, LAST_DAY = 2932896; /* 0001-01-01, 9999-12-31 */
static const int64_t DAY = INT64_C(86400) * 1000000;
static const uint64_t ONES = UINT64_C(0x0101010101010101), TOPS = UINT64_C(0x8080808080808080);
static const uint64_t TEN_19 = UINT64_C(10000000000000000000);

typedef struct {
    int kind;
    Py_ssize_t first, number;
    Py_buffer a, b, c;
    /* Of CONSTANT and CELL: the text, where it is short with room behind it to copy more than it has. */
    const uint8_t *text, *text_end;
    Py_ssize_t length;
    uint8_t padded[BLOCK];
    /* Of TEXT with a table: which bytes of eight at once are looked up in it. */
    int controls, escaped;
    uint64_t patterns[MOST_ESCAPED];
} Piece;

/* Where the output continues, and its end. A writer that finds too little room returns 0. */
typedef struct {
    uint8_t *at, *end;
} Output;

static int copy(Output *out, const uint8_t *text, Py_ssize_t length, const uint8_t *text_end)
{
    if (out->end - out->at < length + ROOM)
        return 0;
    /* Most pieces are short, and a block is copied faster than a number of bytes that the compiler does not know. */
    if (length <= BLOCK && text_end - text >= BLOCK)
        memcpy(out->at, text, BLOCK);
    else
        memcpy(out->at, text, (size_t)length);
    out->at += length;
    return 1;
}

/* The top bit of each byte that may have an escape. The lowest set one is never a false alarm for its pattern. */
static inline uint64_t suspects(const Piece *piece, uint64_t word)
{
    uint64_t found = piece->controls ? (word - ONES * 32) & ~word : 0;
    for (int i = 0; i < piece->escaped; i++) {
        uint64_t differing = word ^ piece->patterns[i];
        found |= (differing - ONES) & ~differing;
    }
    return found & TOPS;
}

static int copy_escaped(Output *out, const Piece *piece, const uint8_t *text, Py_ssize_t length)
{
    const uint8_t *data_end = (const uint8_t *)piece->b.buf + piece->b.len, *table = piece->c.buf;
    if (out->end - out->at < length + ROOM)
        return 0;
    while (length > 0) {
        uint64_t word = 0;
        Py_ssize_t part = length < 8 ? length : 8;
        memcpy(&word, text, data_end - text >= 8 ? 8 : (size_t)part);
        uint64_t found = suspects(piece, word);
        if (part < 8)
            found &= ((uint64_t)1 << (8 * part)) - 1;
        memcpy(out->at, &word, 8);
        if (!found) {
            out->at += part, text += part, length -= part;
            continue;
        }
        Py_ssize_t plain = __builtin_ctzll(found) / 8;
        const uint8_t *entry = table + ENTRY * text[plain];
        out->at += plain, text += plain + 1, length -= plain + 1;
        if (entry[0] == 0) {
            out->at++;
            continue;
        }
        memcpy(out->at, entry + 1, ENTRY - 1);
        out->at += entry[0];
        if (out->end - out->at < length + ROOM - ENTRY)
            return 0;
    }
    return 1;
}

static const char PAIRS[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
                            "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
                            "9899";

static inline void two_digits(uint8_t *at, unsigned value)
{
    memcpy(at, PAIRS + 2 * value, 2);
}

/* Write digits so that they end before `end`; return where they begin. */
static uint8_t *digits_before(uint8_t *end, uint64_t value)
{
    while (value >= 100) {
        end -= 2;
        two_digits(end, (unsigned)(value % 100));
        value /= 100;
    }
    if (value >= 10) {
        end -= 2;
        two_digits(end, (unsigned)value);
    } else
        *--end = (uint8_t)('0' + value);
    return end;
}

static void write_integer(Output *out, uint64_t magnitude, int negative)
{
    /* 20 bytes are copied, wherever they begin. */
    uint8_t digits[40], *end = digits + 20, *begin = digits_before(end, magnitude);
    if (negative)
        *out->at++ = '-';
    memcpy(out->at, begin, 20);
    out->at += end - begin;
}

static void write_decimal(Output *out, const uint8_t *item, Py_ssize_t scale)
{
    unsigned __int128 magnitude;
    memcpy(&magnitude, item, sizeof magnitude);
    if (item[15] & 0x80) {
        magnitude = -magnitude;
        *out->at++ = '-';
    }
    /* Zeros in front of the digits, as many as a small number needs. */
    uint8_t digits[ROOM], *end = digits + sizeof digits, *begin = end;
    memset(digits, '0', sizeof digits);
    for (; magnitude >> 64; magnitude /= TEN_19)
        digits_before(end, (uint64_t)(magnitude % TEN_19)), end -= 19;
    begin = digits_before(end, (uint64_t)magnitude);
    end = digits + sizeof digits;
    if (end - begin <= scale)
        begin = end - scale - 1;
    Py_ssize_t whole = end - begin - scale;
    memcpy(out->at, begin, (size_t)whole);
    out->at += whole;
    if (scale) {
        *out->at++ = '.';
        memcpy(out->at, end - scale, (size_t)scale);
        out->at += scale;
    }
}

/* The civil calendar in years that begin with March: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static int write_date(Output *out, int64_t days)
{
    if (days < FIRST_DAY || days > LAST_DAY)
        return 0;
    unsigned shifted = (unsigned)(days + 719468), era = shifted / 146097, day = shifted % 146097;
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned of_year = day - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    year += era * 400 + (month >= 10);
    two_digits(out->at, year / 100);
    two_digits(out->at + 2, year % 100);
    out->at[4] = '-';
    two_digits(out->at + 5, month < 10 ? month + 3 : month - 9);
    out->at[7] = '-';
    two_digits(out->at + 8, of_year - (153 * month + 2) / 5 + 1);
    out->at += 10;
    return 1;
}

static int write_clock(Output *out, const Piece *piece, int64_t microseconds)
{
    int64_t days = microseconds / DAY - (microseconds % DAY < 0), rest = microseconds - days * DAY;
    if (!write_date(out, days))
        return 0;
    unsigned seconds = (unsigned)(rest / 1000000), fraction = (unsigned)(rest % 1000000);
    out->at[0] = *(const uint8_t *)piece->b.buf;
    two_digits(out->at + 1, seconds / 3600);
    out->at[3] = ':';
    two_digits(out->at + 4, seconds / 60 % 60);
    out->at[6] = ':';
    two_digits(out->at + 7, seconds % 60);
    out->at[9] = '.';
    two_digits(out->at + 10, fraction / 10000);
    two_digits(out->at + 12, fraction / 100 % 100);
    two_digits(out->at + 14, fraction % 100);
    out->at += piece->number ? 10 + piece->number : 9;
    return 1;
}

/* The fewest digits that are read as the same double: as many as it takes to come nearer to it than half a unit in its
 * last place. Up to 2^32 no distance is exactly that. A last digit that is rounded up is never a 9: one digit less would
 * have done. */
static int write_float(Output *out, double value)
{
    if (!(value >= 1 && value < 4294967296.0))
        return 0;
    uint64_t bits, power = 1;
    memcpy(&bits, &value, sizeof bits);
    unsigned places = 1075 - (unsigned)(bits >> 52);
    uint64_t one = UINT64_C(1) << places, mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    uint64_t rest = mantissa & (one - 1);
    write_integer(out, mantissa >> places, 0);
    if (rest == 0)
        return 1;
    *out->at++ = '.';
    do {
        rest *= 10, power *= 10;
        *out->at++ = (uint8_t)('0' + (rest >> places));
        rest &= one - 1;
    } while (2 * rest >= power && 2 * (one - rest) >= power);
    if (2 * rest > one || (2 * rest == one && out->at[-1] & 1))
        out->at[-1]++;
    return 1;
}

static void write_number(Output *out, const Piece *piece, const uint8_t *item)
{
    int64_t value = 0;
    uint64_t magnitude = 0;
    switch (piece->kind) {
    case INT8: value = *(const int8_t *)item; break;
    case INT16: { int16_t read; memcpy(&read, item, 2); value = read; break; }
    case INT32: { int32_t read; memcpy(&read, item, 4); value = read; break; }
    case INT64: memcpy(&value, item, 8); break;
    /* The lower bytes of a little-endian number come first. */
    default: memcpy(&magnitude, item, (size_t)ITEM_SIZE[piece->kind]);
    }
    if (piece->kind <= INT64)
        magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    write_integer(out, magnitude, value < 0);
}

enum outcome { WRITTEN, NO_ROOM, BAD_OFFSETS, BAD_DATE, BAD_FLOAT };

static enum outcome write_text(Output *out, const Piece *piece, const uint8_t *item)
{
    int32_t places[2];
    memcpy(places, item, sizeof places);
    if (places[0] < 0 || places[1] < places[0] || places[1] > piece->b.len)
        return BAD_OFFSETS;
    const uint8_t *data = piece->b.buf, *text = data + places[0];
    Py_ssize_t length = places[1] - places[0];
    if (piece->c.obj != NULL)
        return copy_escaped(out, piece, text, length) ? WRITTEN : NO_ROOM;
    return copy(out, text, length, data + piece->b.len) ? WRITTEN : NO_ROOM;
}

static enum outcome write_value(Output *out, const Piece *piece, Py_ssize_t row)
{
    const uint8_t *item = (const uint8_t *)piece->a.buf + (piece->first + row) * ITEM_SIZE[piece->kind];
    if (piece->kind == TEXT)
        return write_text(out, piece, item);
    if (out->end - out->at < ROOM)
        return NO_ROOM;
    if (piece->kind == DATE || piece->kind == CLOCK) {
        int32_t days = 0;
        int64_t microseconds = 0;
        if (piece->kind == DATE)
            return memcpy(&days, item, 4), write_date(out, days) ? WRITTEN : BAD_DATE;
        return memcpy(&microseconds, item, 8), write_clock(out, piece, microseconds) ? WRITTEN : BAD_DATE;
    }
    if (piece->kind == FLOAT) {
        double value;
        return memcpy(&value, item, 8), write_float(out, value) ? WRITTEN : BAD_FLOAT;
    }
    if (piece->kind == DECIMAL)
        write_decimal(out, item, piece->number);
    else
        write_number(out, piece, item);
    return WRITTEN;
}

static enum outcome write_row(Output *out, const Piece *pieces, Py_ssize_t count, Py_ssize_t row)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        const Piece *piece = &pieces[i];
        if (piece->kind == CELL) {
            Py_ssize_t bit = piece->first + row;
            if (((const uint8_t *)piece->a.buf)[bit / 8] >> bit % 8 & 1)
                continue;
            i += piece->number;
        } else if (piece->kind != CONSTANT) {
            enum outcome outcome = write_value(out, piece, row);
            if (outcome != WRITTEN)
                return outcome;
            continue;
        }
        if (!copy(out, piece->text, piece->length, piece->text_end))
            return NO_ROOM;
    }
    return WRITTEN;
}

static const char *find_escapes(Piece *piece)
{
    const uint8_t *table = piece->c.buf;
    if (piece->c.len != TABLE)
        return "a table of escapes has another size";
    for (int byte = 0; byte < 256; byte++) {
        if (table[ENTRY * byte] == 0)
            continue;
        if (table[ENTRY * byte] >= ENTRY || byte >= 128 || (byte >= 32 && piece->escaped == MOST_ESCAPED))
            return "a table of escapes has too many or too long ones";
        if (byte < 32)
            piece->controls = 1;
        else
            piece->patterns[piece->escaped++] = ONES * (uint64_t)byte;
    }
    return NULL;
}

/* What is wrong with a piece of `rows` rows, `left` pieces before the last; NULL if nothing is. */
static const char *check(Piece *piece, Py_ssize_t rows, Py_ssize_t left)
{
    if (piece->kind < 0 || piece->kind >= KINDS)
        return "a piece is of no known kind";
    if (piece->first < 0 || piece->number < 0 || piece->first > PY_SSIZE_T_MAX / 32 - rows)
        return "a piece has a number out of range";
    if (piece->a.obj == NULL || ((piece->kind == TEXT || piece->kind == CELL || piece->kind == CLOCK) && !piece->b.obj))
        return "a piece lacks a buffer";
    Py_ssize_t items = piece->first + rows + (piece->kind == TEXT);
    if (piece->kind == CELL ? piece->a.len < (items + 7) / 8 : piece->a.len < items * ITEM_SIZE[piece->kind])
        return "a buffer is too short";
    if ((piece->kind == CELL && piece->number > left) || (piece->kind == DECIMAL && piece->number > 38)
        || (piece->kind == CLOCK && (piece->number > 6 || piece->b.len != 1)))
        return "a piece has a number out of range";
    return piece->kind == TEXT && piece->c.obj != NULL ? find_escapes(piece) : NULL;
}

static void find_text(Piece *piece)
{
    const Py_buffer *given = piece->kind == CELL ? &piece->b : &piece->a;
    piece->text = given->buf;
    piece->length = given->len;
    piece->text_end = piece->text + given->len;
    if (given->len < BLOCK) {
        memcpy(piece->padded, given->buf, (size_t)given->len);
        piece->text = piece->padded;
        piece->text_end = piece->padded + BLOCK;
    }
}

static int take(PyObject *object, Py_buffer *buffer)
{
    return object == Py_None || PyObject_GetBuffer(object, buffer, PyBUF_SIMPLE) == 0;
}

/* Fills a zeroed piece from (kind, first, number, a, b, c); 0 with an exception if it is no good. */
static int read_piece(PyObject *given, Piece *piece, Py_ssize_t rows, Py_ssize_t left)
{
    PyObject *a, *b, *c;
    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "a piece is a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(given, "innOOO:piece", &piece->kind, &piece->first, &piece->number, &a, &b, &c)
        || !take(a, &piece->a) || !take(b, &piece->b) || !take(c, &piece->c))
        return 0;
    const char *wrong = check(piece, rows, left);
    if (wrong != NULL)
        PyErr_SetString(PyExc_ValueError, wrong);
    else if (piece->kind == CONSTANT || piece->kind == CELL)
        find_text(piece);
    return wrong == NULL;
}

static void release(Piece *pieces, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        /* One that was never filled has no object, and releasing it does nothing. */
        PyBuffer_Release(&pieces[i].a);
        PyBuffer_Release(&pieces[i].b);
        PyBuffer_Release(&pieces[i].c);
    }
    PyMem_Free(pieces);
}

static PyObject *write_rows(const Piece *pieces, Py_ssize_t count, Py_ssize_t start, Py_ssize_t rows, Py_buffer *target)
{
    Output out = {target->buf, (uint8_t *)target->buf + target->len};
    uint8_t *whole = out.at;
    enum outcome outcome = WRITTEN;
    Py_BEGIN_ALLOW_THREADS
    while (start < rows && (outcome = write_row(&out, pieces, count, start)) == WRITTEN) {
        whole = out.at;
        start++;
    }
    Py_END_ALLOW_THREADS
    if (outcome > NO_ROOM) {
        PyErr_SetString(PyExc_ValueError, outcome == BAD_DATE    ? "a date lies beyond the years 1 to 9999"
                                          : outcome == BAD_FLOAT ? "a float is below 1 or too large"
                                                                 : "a text lies outside of its buffer");
        return NULL;
    }
    return Py_BuildValue("nn", start, (Py_ssize_t)(whole - (uint8_t *)target->buf));
}

PyDoc_STRVAR(join_doc,
"join($module, pieces, start, rows, target, /)\n--\n\n"
"Write the pieces of each row from `start` on side by side into `target`; return the first row that did not fit, and\n"
"how many bytes were written.\n\n"
"A piece is (kind, first, number, a, b, c): see rows.c. `first` is the item of row 0 in its buffers.");

static PyObject *join(PyObject *module, PyObject *args)
{
    PyObject *given, *result = NULL;
    Py_ssize_t start, rows;
    Py_buffer target;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!nnw*:join", &PyList_Type, &given, &start, &rows, &target))
        return NULL;
    Py_ssize_t count = PyList_Size(given), read = 0;
    Piece *pieces = PyMem_Calloc((size_t)count + 1, sizeof(Piece));
    if (pieces == NULL)
        PyErr_NoMemory();
    else if (start < 0 || rows < 0 || rows > INT32_MAX)
        PyErr_SetString(PyExc_ValueError, "a row is out of range");
    else {
        while (read < count && read_piece(PyList_GetItem(given, read), &pieces[read], rows, count - read - 1))
            read++;
        if (read == count && !PyErr_Occurred())
            result = write_rows(pieces, count, start, rows, &target);
    }
    if (pieces != NULL)
        release(pieces, count);
    PyBuffer_Release(&target);
    return result;
}

static PyMethodDef methods[] = {
    {"join", join, METH_VARARGS, join_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_rows",
    .m_doc = "Columns of Arrow as rows of text.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__rows(void)
{
    return PyModuleDef_Init(&definition);
}
