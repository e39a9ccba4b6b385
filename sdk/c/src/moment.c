// A moment as RFC 3339 text in UTC.
#include "../kubedl_events_sink.h"

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say; others become the nearest.
static const int64_t earliest = -62135596800, latest = 253402300799;

static void digits(char *at, uint32_t number, int width) {
  while (width-- > 0) {
    at[width] = (char)('0' + number % 10);
    number /= 10;
  }
}

// Days since 0000-03-01, when leap days end a year, as year, month and day.
static void date(uint32_t days, char out[10]) {
  uint32_t era = days / 146097, of_era = days % 146097;
  uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  uint32_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint32_t from_march = (5 * of_year + 2) / 153;
  uint32_t day = of_year - (153 * from_march + 2) / 5 + 1, month = from_march < 10 ? from_march + 3 : from_march - 9;
  digits(out, era * 400 + year_of_era + (month <= 2), 4);
  digits(out + 5, month, 2);
  digits(out + 8, day, 2);
}

void kes_rfc3339(kes_buffer *to, kes_timestamp moment) {
  int64_t seconds = moment.seconds < earliest ? earliest : moment.seconds > latest ? latest : moment.seconds;
  uint64_t since = (uint64_t)(seconds + 719468LL * 86400);  // 719468 days from 0000-03-01 to 1970-01-01
  uint32_t of_day = (uint32_t)(since % 86400);
  char text[] = "0000-00-00T00:00:00.000000000Z";
  date((uint32_t)(since / 86400), text);
  digits(text + 11, of_day / 3600, 2);
  digits(text + 14, of_day / 60 % 60, 2);
  digits(text + 17, of_day % 60, 2);
  digits(text + 20, moment.nanoseconds, 9);
  size_t len = moment.nanoseconds == 0 ? 19 : 29;
  while (len > 19 && text[len - 1] == '0') len--;
  kes_buffer_add(to, text, len);
  kes_buffer_text(to, "Z");
}
