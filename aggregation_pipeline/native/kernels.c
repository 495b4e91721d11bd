/* Loops over the bytes of a result set that Python is too slow for: where packets and cells are, and what cells say.
 *
 * Everything here has a twin in numpy or Arrow, which is used where this module was not built. A column with a cell
 * that is not written plainly is left to the twin as well: nothing here guesses or rounds, or has words for bad data.
 *
 * Every position that comes from data or from Python is compared with the end of its buffer before it is used. The
 * loops run without the GIL. Only the limited API of Python 3.11 is used, so that one file serves all later versions.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum { HEADER = 4, LONGEST_PACKET = 0xFFFFFF };
/* The first byte of a cell, where it is not the cell's length. */
enum { NULL_CELL = 0xFB, TWO_BYTES = 0xFC, THREE_BYTES = 0xFD, EIGHT_BYTES = 0xFE, NO_CELL = 0xFF };
/* A copy of this size is one instruction; a block's padding lets it begin at any cell. */
enum { SHORT = 16 };
/* The digits of a decimal128. */
enum { MOST_DIGITS = 38 };
/* From the first of March of the year 0, less one, to 1970. */
enum { DAYS_TO_1970 = 719469 };

static inline uint64_t little_endian(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static PyObject *new_bytes(Py_ssize_t items, size_t size)
{
    if (items > PY_SSIZE_T_MAX / (Py_ssize_t)size)
        return PyErr_NoMemory();
    return PyBytes_FromStringAndSize(NULL, items * (Py_ssize_t)size);
}

/* ---- Packets and cells ------------------------------------------------------------------------------------------- */

PyDoc_STRVAR(packet_ends_doc,
"packet_ends($module, data, position, /)\n--\n\n"
"Return where each whole packet from `position` on ends, as int64.\n\n"
"Stops before a packet that has not come whole, and before one of the greatest length, which the next continues.");

static PyObject *packet_ends(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer data;
    Py_ssize_t at, found = 0;
    int64_t *out = NULL;
    PyObject *ends = NULL;
    if (!PyArg_ParseTuple(args, "y*n", &data, &at))
        return NULL;
    if (at < 0 || at > data.len)
        PyErr_SetString(PyExc_ValueError, "the position is outside of the data");
    else if ((out = PyMem_Malloc((size_t)(data.len - at) / HEADER * sizeof(int64_t))) == NULL)
        PyErr_NoMemory();
    if (out != NULL) {
        const uint8_t *bytes = data.buf;
        Py_BEGIN_ALLOW_THREADS
        while (data.len - at >= HEADER) {
            Py_ssize_t length = (Py_ssize_t)little_endian(bytes + at, 3);
            if (length == LONGEST_PACKET || length > data.len - at - HEADER)
                break;
            at += HEADER + length;
            out[found++] = at;
        }
        Py_END_ALLOW_THREADS
        ends = PyBytes_FromStringAndSize((const char *)out, found * (Py_ssize_t)sizeof(int64_t));
        PyMem_Free(out);
    }
    PyBuffer_Release(&data);
    return ends;
}

/* Read the length before a cell at *at, and go on to the cell; 0 if it does not end within the row. */
static inline int read_length(const uint8_t *bytes, int64_t *at, int64_t end, int64_t *length, uint8_t *null)
{
    if (*at >= end)
        return 0;
    uint8_t first = bytes[(*at)++];
    *null = first == NULL_CELL;
    if (first <= NULL_CELL) {
        *length = *null ? 0 : first;
    } else {
        int width = first == TWO_BYTES ? 2 : first == THREE_BYTES ? 3 : 8;
        if (first == NO_CELL || end - *at < width)
            return 0;
        uint64_t value = little_endian(bytes + *at, width);
        if (value > INT64_MAX)
            return 0;
        *length = (int64_t)value;
        *at += width;
    }
    return *length <= end - *at;
}

PyDoc_STRVAR(cells_doc,
"cells($module, data, edges, columns, starts, lengths, nulls, /)\n--\n\n"
"Find the cells of rows, whose packets lie between `edges` and have `columns` cells each.\n\n"
"Fills starts and lengths, shape (columns, rows) of int64, and nulls, the same of bool. Returns how many NULLs each\n"
"column has; None if a row's cells do not fill its packet.");

typedef struct {
    Py_buffer data, edges, starts, lengths, nulls;
} Places;

static int find_cells(const Places *places, int64_t rows, int64_t columns, int64_t *null_counts)
{
    const uint8_t *bytes = places->data.buf;
    const int64_t *edges = places->edges.buf;
    int64_t *starts = places->starts.buf, *lengths = places->lengths.buf;
    uint8_t *nulls = places->nulls.buf;
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = edges[row], end = edges[row + 1];
        if (at < 0 || end > places->data.len || end < HEADER || at > end - HEADER)
            return 0;
        at += HEADER;
        for (int64_t column = 0, place = row; column < columns; column++, place += rows) {
            if (!read_length(bytes, &at, end, lengths + place, nulls + place))
                return 0;
            starts[place] = at;
            at += lengths[place];
            null_counts[column] += nulls[place];
        }
        if (at != end)
            return 0;
    }
    return 1;
}

static PyObject *cells(PyObject *Py_UNUSED(module), PyObject *args)
{
    Places in;
    Py_ssize_t columns;
    PyObject *counts = NULL;
    if (!PyArg_ParseTuple(args, "y*y*nw*w*w*", &in.data, &in.edges, &columns, &in.starts, &in.lengths, &in.nulls))
        return NULL;
    Py_ssize_t rows = in.edges.len / (Py_ssize_t)sizeof(int64_t) - 1;
    if (columns < 1 || rows < 0 || rows > PY_SSIZE_T_MAX / 8 / columns || in.nulls.len != rows * columns
        || in.starts.len != rows * columns * 8 || in.lengths.len != rows * columns * 8) {
        PyErr_SetString(PyExc_ValueError, "a buffer has another size");
    } else if ((counts = new_bytes(columns, sizeof(int64_t))) != NULL) {
        int64_t *null_counts = (int64_t *)PyBytes_AsString(counts);
        int whole;
        Py_BEGIN_ALLOW_THREADS
        memset(null_counts, 0, (size_t)columns * sizeof(int64_t));
        whole = find_cells(&in, rows, columns, null_counts);
        Py_END_ALLOW_THREADS
        if (!whole) {
            Py_DECREF(counts);
            counts = Py_NewRef(Py_None);
        }
    }
    PyBuffer_Release(&in.data);
    PyBuffer_Release(&in.edges);
    PyBuffer_Release(&in.starts);
    PyBuffer_Release(&in.lengths);
    PyBuffer_Release(&in.nulls);
    return counts;
}

/* ---- Columns ----------------------------------------------------------------------------------------------------- */

/* One column's cells in a block. */
typedef struct {
    Py_buffer data, starts, lengths, nulls; /* nulls.buf is NULL if no cell is NULL */
    Py_ssize_t rows;
} Column;

static void release(Column *column)
{
    PyBuffer_Release(&column->data);
    PyBuffer_Release(&column->starts);
    PyBuffer_Release(&column->lengths);
    PyBuffer_Release(&column->nulls);
}

/* Whether the buffers fit together; releases them and sets an exception if not. */
static int fits(Column *column)
{
    column->rows = column->starts.len / (Py_ssize_t)sizeof(int64_t);
    if (column->starts.len == column->rows * (Py_ssize_t)sizeof(int64_t) && column->lengths.len == column->starts.len
        && (column->nulls.buf == NULL || column->nulls.len == column->rows))
        return 1;
    release(column);
    PyErr_SetString(PyExc_ValueError, "a buffer has another size");
    return 0;
}

/* The bytes of a cell; 0 if it is not inside of the data. */
static inline int cell_of(const Column *column, Py_ssize_t row, const uint8_t **from, const uint8_t **to)
{
    int64_t start = ((const int64_t *)column->starts.buf)[row], length = ((const int64_t *)column->lengths.buf)[row];
    if (start < 0 || length < 0 || start > column->data.len || length > column->data.len - start)
        return 0;
    *from = (const uint8_t *)column->data.buf + start;
    *to = *from + length;
    return 1;
}

static inline int is_null(const Column *column, Py_ssize_t row)
{
    return column->nulls.buf != NULL && ((const uint8_t *)column->nulls.buf)[row];
}

PyDoc_STRVAR(texts_doc,
"texts($module, data, starts, lengths, /)\n--\n\n"
"Return the cells one behind the other: (where each begins and the last ends, as int32; their bytes).\n\n"
"None if they are 2 GiB or more.");

static int copy_cells(const Column *column, int32_t *offsets, uint8_t *out, int64_t total)
{
    const uint8_t *from, *to, *end = (const uint8_t *)column->data.buf + column->data.len;
    int64_t at = 0;
    for (Py_ssize_t row = 0; row < column->rows; row++) {
        if (!cell_of(column, row, &from, &to))
            return 0;
        offsets[row] = (int32_t)at;
        int64_t length = to - from;
        if (length <= SHORT && end - from >= SHORT && total - at >= SHORT)
            memcpy(out + at, from, SHORT);
        else if (length <= total - at)
            memcpy(out + at, from, (size_t)length);
        else
            return 0;
        at += length;
    }
    offsets[column->rows] = (int32_t)at;
    return at == total;
}

/* The bytes of all cells; -1 if they are more than int32 holds, or one is negative. */
static int64_t total_length(const Column *column)
{
    const int64_t *lengths = column->lengths.buf;
    int64_t total = 0;
    for (Py_ssize_t row = 0; row < column->rows; row++) {
        if (lengths[row] < 0 || lengths[row] > INT32_MAX - total)
            return -1;
        total += lengths[row];
    }
    return total;
}

static PyObject *texts(PyObject *Py_UNUSED(module), PyObject *args)
{
    Column column = {0};
    PyObject *offsets = NULL, *values = NULL, *both = NULL;
    if (!PyArg_ParseTuple(args, "y*y*y*", &column.data, &column.starts, &column.lengths) || !fits(&column))
        return NULL;
    int64_t total = total_length(&column);
    if (total < 0) {
        both = Py_NewRef(Py_None);
    } else if ((offsets = new_bytes(column.rows + 1, sizeof(int32_t))) != NULL
               && (values = new_bytes((Py_ssize_t)total, 1)) != NULL) {
        int32_t *places = (int32_t *)PyBytes_AsString(offsets);
        uint8_t *out = (uint8_t *)PyBytes_AsString(values);
        int inside;
        Py_BEGIN_ALLOW_THREADS
        inside = copy_cells(&column, places, out, total);
        Py_END_ALLOW_THREADS
        if (inside)
            both = PyTuple_Pack(2, offsets, values);
        else
            PyErr_SetString(PyExc_ValueError, "a cell is outside of the data");
    }
    Py_XDECREF(offsets);
    Py_XDECREF(values);
    release(&column);
    return both;
}

typedef unsigned __int128 uint128;

/* What a column of fixed width is parsed as. */
typedef struct {
    int size;      /* bytes of a value */
    int is_signed; /* of integers */
    int scale;     /* of decimals: digits after the point */
    uint128 limit; /* of decimals: all values are below */
} Kind;

/* Writes the value of a cell; 0 if the cell is not written plainly, or the value does not fit. */
typedef int (*Parse)(const uint8_t *from, const uint8_t *to, const Kind *kind, uint8_t *out);

/* Parse each cell that is not NULL, whose value is 0; None if one cell is left to the twin. */
static PyObject *parse_column(Column *column, const Kind *kind, Parse parse)
{
    PyObject *values = new_bytes(column->rows, (size_t)kind->size);
    if (values != NULL) {
        uint8_t *out = (uint8_t *)PyBytes_AsString(values);
        int plain = 1;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t row = 0; plain && row < column->rows; row++, out += kind->size) {
            const uint8_t *from, *to;
            if (is_null(column, row))
                memset(out, 0, (size_t)kind->size);
            else
                plain = cell_of(column, row, &from, &to) && parse(from, to, kind, out);
        }
        Py_END_ALLOW_THREADS
        if (!plain) {
            Py_DECREF(values);
            values = Py_NewRef(Py_None);
        }
    }
    release(column);
    return values;
}

static inline int digit(uint8_t byte)
{
    return (uint8_t)(byte - '0'); /* over 9 if it is none */
}

/* Up to 20 digits; 0 if there are none, other bytes, or more than 64 bits hold. */
static inline int parse_digits(const uint8_t *from, const uint8_t *to, uint64_t *value)
{
    uint64_t sum = 0;
    if (from == to || to - from > 20)
        return 0;
    const uint8_t *safe = to - from == 20 ? to - 1 : to;
    for (; from < safe; from++) {
        if (digit(*from) > 9)
            return 0;
        sum = sum * 10 + (uint64_t)digit(*from);
    }
    if (from < to) {
        uint64_t last = (uint64_t)digit(*from);
        if (last > 9 || sum > (UINT64_MAX - last) / 10)
            return 0;
        sum = sum * 10 + last;
    }
    *value = sum;
    return 1;
}

static int parse_integer(const uint8_t *from, const uint8_t *to, const Kind *kind, uint8_t *out)
{
    int negative = kind->is_signed && from < to && *from == '-';
    int bits = 8 * kind->size - kind->is_signed;
    uint64_t value, most = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1 + (uint64_t)negative;
    if (!parse_digits(from + negative, to, &value) || value > most)
        return 0;
    if (negative)
        value = 0 - value;
    switch (kind->size) {
    case 1: memcpy(out, &(uint8_t){(uint8_t)value}, 1); break;
    case 2: memcpy(out, &(uint16_t){(uint16_t)value}, 2); break;
    case 4: memcpy(out, &(uint32_t){(uint32_t)value}, 4); break;
    default: memcpy(out, &value, 8);
    }
    return 1;
}

PyDoc_STRVAR(integers_doc,
"integers($module, data, starts, lengths, nulls, size, is_signed, /)\n--\n\n"
"Return cells of digits as integers of `size` bytes; None if a cell is anything else or too large.");

static PyObject *integers(PyObject *Py_UNUSED(module), PyObject *args)
{
    Column column = {0};
    Kind kind = {0};
    if (!PyArg_ParseTuple(args, "y*y*y*z*ip", &column.data, &column.starts, &column.lengths, &column.nulls, &kind.size,
                          &kind.is_signed) || !fits(&column))
        return NULL;
    if (kind.size == 1 || kind.size == 2 || kind.size == 4 || kind.size == 8)
        return parse_column(&column, &kind, parse_integer);
    release(&column);
    PyErr_SetString(PyExc_ValueError, "an integer has 1, 2, 4 or 8 bytes");
    return NULL;
}

/* [-]digits[.digits] with at most `scale` digits after the point: what the server sends for a DECIMAL. */
static int parse_decimal(const uint8_t *from, const uint8_t *to, const Kind *kind, uint8_t *out)
{
    int negative = from < to && *from == '-', fraction = -1; /* digits after the point; -1 before it */
    uint64_t part = 0, shift = 1;
    uint128 value = 0;
    from += negative;
    if (from == to || to - from > MOST_DIGITS + 1 || digit(*from) > 9 || digit(to[-1]) > 9)
        return 0;
    int digits = (int)(to - from);
    for (; from < to; from++) {
        if (*from == '.' && fraction < 0) {
            fraction = 0;
            digits--;
            continue;
        }
        if (digit(*from) > 9)
            return 0;
        part = part * 10 + (uint64_t)digit(*from);
        shift *= 10;
        fraction += fraction >= 0;
        /* Eighteen digits at a time, which 64 bits hold; all together are 38 at most, which 127 bits hold. */
        if (shift == 1000000000000000000u) {
            value = value * shift + part;
            part = 0;
            shift = 1;
        }
    }
    value = value * shift + part;
    fraction = fraction < 0 ? 0 : fraction;
    if (fraction > kind->scale || digits + kind->scale - fraction > MOST_DIGITS)
        return 0;
    for (; fraction < kind->scale; fraction++)
        value *= 10;
    if (value >= kind->limit)
        return 0;
    if (negative)
        value = 0 - value;
    memcpy(out, &value, sizeof value);
    return 1;
}

PyDoc_STRVAR(decimals_doc,
"decimals($module, data, starts, lengths, nulls, precision, scale, /)\n--\n\n"
"Return cells of digits as decimal128; None if a cell is anything else or too large.");

static PyObject *decimals(PyObject *Py_UNUSED(module), PyObject *args)
{
    Column column = {0};
    int precision;
    Kind kind = {.size = sizeof(uint128), .limit = 1};
    if (!PyArg_ParseTuple(args, "y*y*y*z*ii", &column.data, &column.starts, &column.lengths, &column.nulls, &precision,
                          &kind.scale) || !fits(&column))
        return NULL;
    if (precision < 1 || precision > MOST_DIGITS || kind.scale < 0 || kind.scale > precision) {
        release(&column);
        PyErr_SetString(PyExc_ValueError, "a decimal128 has 1 to 38 digits");
        return NULL;
    }
    for (int each = 0; each < precision; each++)
        kind.limit *= 10;
    return parse_column(&column, &kind, parse_decimal);
}

/* Two digits; more than 99 if they are none. */
static inline int two_digits(const uint8_t *at)
{
    int tens = digit(at[0]), ones = digit(at[1]);
    return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

/* YYYY-MM-DD as days since 1970; 0 if the calendar has no such day. */
static inline int parse_day(const uint8_t *at, int64_t *days)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century = two_digits(at), rest = two_digits(at + 2), month = two_digits(at + 5), day = two_digits(at + 8);
    int year = century * 100 + rest, leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (century > 99 || rest > 99 || year < 1 || at[4] != '-' || at[7] != '-' || month < 1 || month > 12 || day < 1
        || day > lengths[month - 1] + (leap && month == 2))
        return 0;
    /* Years begin in March, so that the leap day is their last: 153 days are five months from there. */
    int64_t march_year = year - (month < 3), march_month = month + (month < 3 ? 9 : -3);
    *days = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400 + (march_month * 153 + 2) / 5 + day
        - DAYS_TO_1970;
    return 1;
}

static int parse_date(const uint8_t *from, const uint8_t *to, const Kind *Py_UNUSED(kind), uint8_t *out)
{
    int64_t days;
    if (to - from != 10 || !parse_day(from, &days))
        return 0;
    memcpy(out, &(int32_t){(int32_t)days}, sizeof(int32_t));
    return 1;
}

/* YYYY-MM-DD hh:mm:ss[.ffffff] as microseconds since 1970. */
static int parse_moment(const uint8_t *from, const uint8_t *to, const Kind *Py_UNUSED(kind), uint8_t *out)
{
    int64_t days, micro = 0;
    if (to - from < 19 || to - from > 26 || to - from == 20 || from[10] != ' ' || from[13] != ':' || from[16] != ':'
        || !parse_day(from, &days))
        return 0;
    int hours = two_digits(from + 11), minutes = two_digits(from + 14), seconds = two_digits(from + 17);
    if (hours > 23 || minutes > 59 || seconds > 59)
        return 0;
    if (to - from > 19) {
        if (from[19] != '.')
            return 0;
        for (int place = 20; place < 26; place++) {
            int each = from + place < to ? digit(from[place]) : 0;
            if (each > 9)
                return 0;
            micro = micro * 10 + each;
        }
    }
    int64_t value = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000000 + micro;
    memcpy(out, &value, sizeof value);
    return 1;
}

static PyObject *parse_times(PyObject *args, int size, Parse parse)
{
    Column column = {0};
    if (!PyArg_ParseTuple(args, "y*y*y*z*", &column.data, &column.starts, &column.lengths, &column.nulls)
        || !fits(&column))
        return NULL;
    return parse_column(&column, &(Kind){.size = size}, parse);
}

PyDoc_STRVAR(dates_doc,
"dates($module, data, starts, lengths, nulls, /)\n--\n\n"
"Return cells YYYY-MM-DD as int32, days since 1970; None if a cell is anything else or no day of the calendar.");

static PyObject *dates(PyObject *Py_UNUSED(module), PyObject *args)
{
    return parse_times(args, sizeof(int32_t), parse_date);
}

PyDoc_STRVAR(moments_doc,
"moments($module, data, starts, lengths, nulls, /)\n--\n\n"
"Return cells YYYY-MM-DD hh:mm:ss[.ffffff] as int64, microseconds since 1970; None if a cell is anything else.");

static PyObject *moments(PyObject *Py_UNUSED(module), PyObject *args)
{
    return parse_times(args, sizeof(int64_t), parse_moment);
}

/* ---- Module ------------------------------------------------------------------------------------------------------ */

static PyMethodDef methods[] = {
    {"packet_ends", packet_ends, METH_VARARGS, packet_ends_doc},
    {"cells", cells, METH_VARARGS, cells_doc},
    {"texts", texts, METH_VARARGS, texts_doc},
    {"integers", integers, METH_VARARGS, integers_doc},
    {"decimals", decimals, METH_VARARGS, decimals_doc},
    {"dates", dates, METH_VARARGS, dates_doc},
    {"moments", moments, METH_VARARGS, moments_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_kernels",
    .m_doc = "Where packets and cells are, and what cells say.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModuleDef_Init(&definition);
}
