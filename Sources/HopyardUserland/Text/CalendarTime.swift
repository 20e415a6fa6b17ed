/// A second of the calendar in UTC.
struct CalendarTime {
  let year: Int
  let month: Int
  let day: Int
  let hour: Int
  let minute: Int
  let second: Int
  /// From 0 for Sunday.
  let weekday: Int

  static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]
  static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

  /// Takes seconds since 1970.
  init(_ seconds: Int64) {
    let days = Int(seconds / 86_400)
    let rest = Int(seconds % 86_400)
    hour = rest / 3600
    minute = rest / 60 % 60
    second = rest % 60
    weekday = (days + 4) % 7
    // The calendar repeats every 400 years; a year is taken to begin with March.
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

  /// `13:55:06`.
  var clock: String { "\(Self.two(hour)):\(Self.two(minute)):\(Self.two(second))" }

  /// `Tue Nov 24 13:55:06 UTC 2026`, as `date` prints it.
  var unixDate: String {
    "\(Self.weekdays[weekday]) \(Self.months[month - 1]) \(Self.two(day)) \(clock) UTC \(year)"
  }

  /// `Tue, 24 Nov 2026 13:55:06 GMT`, as HTTP has it.
  var httpDate: String {
    "\(Self.weekdays[weekday]), \(Self.two(day)) \(Self.months[month - 1]) \(year) \(clock) GMT"
  }

  /// `24/Nov/2026 13:55:06`, as Python's server logs it.
  var logDate: String { "\(Self.two(day))/\(Self.months[month - 1])/\(year) \(clock)" }
}
