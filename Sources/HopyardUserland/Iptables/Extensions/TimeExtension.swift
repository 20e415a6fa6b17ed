import HopyardSimulator

/// `-m time`.
final class TimeExtension: RuleExtension {
  private var result = TimeMatch()

  init() {
    super.init(
      "time",
      [
        ExtensionOption("datestart", 0), ExtensionOption("datestop", 1),
        ExtensionOption("timestart", 2), ExtensionOption("timestop", 3),
        ExtensionOption("contiguous", 4, flag: true),
        ExtensionOption("localtz", 5, flag: true, excludes: [6, 7]),
        ExtensionOption("utc", 6, flag: true, excludes: [5, 7]),
        ExtensionOption("kerneltz", 7, flag: true, excludes: [5, 6]),
        ExtensionOption("monthdays", 8, invert: true),
        ExtensionOption("weekdays", 9, invert: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0: result.dateStart = try Self.date(value)
    case 1: result.dateStop = try Self.date(value)
    case 2: result.timeStart = try Self.time(value)
    case 3: result.timeStop = try Self.time(value)
    case 4: result.isContiguous = true
    case 5:
      warnings +=
        "WARNING: --localtz is being replaced by --kerneltz, since \"local\" is ambiguous. "
        + "Note the kernel timezone has caveats - see manpage for details.\n"
      result.usesKernelZone = true
    case 6: break
    case 7: result.usesKernelZone = true
    case 8:
      var days: UInt32 = 0
      for word in value.split(separator: ",") {
        guard let day = IptablesNumber.parse(String(word)), day <= 31 else {
          throw .parameter("\(word) is not a valid day for --monthdays")
        }
        days |= 1 << UInt32(day)
      }
      // There is no day 0, though the real program lets it be named.
      days &= TimeMatch.allMonthDays
      result.monthDays = inverted ? days ^ TimeMatch.allMonthDays : days
    default:
      var days: UInt8 = 0
      for word in value.split(separator: ",") {
        let day = try Self.weekDay(word)
        if (1...7).contains(day) { days |= 1 << UInt8(day) }
      }
      result.weekDays = inverted ? days ^ TimeMatch.allWeekDays : days
    }
  }

  private static let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

  private static func weekDay(_ word: Substring) throws(IptablesFailure) -> Int {
    if let number = Int(word), (0...255).contains(number) {
      if number == 0 { throw .parameter("No, the week does NOT begin with Sunday.") }
      return number
    }
    // Two letters say which day it is.
    let lower = word.lowercased()
    guard lower.utf8.count >= 2,
      let index = names.firstIndex(where: { $0.hasPrefix(lower.prefix(2)) })
    else { throw .parameter("\(word) is not a valid day specifier") }
    return index + 1
  }

  /// `hh:mm[:ss]` as seconds.
  private static func time(_ text: String) throws(IptablesFailure) -> UInt32 {
    func wrong(_ text: some StringProtocol) -> IptablesFailure {
      .parameter(
        "invalid time \"\(text)\" specified, should be hh:mm[:ss] format and within the boundaries"
      )
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (2...3).contains(parts.count) else { throw wrong(text) }
    var seconds: UInt32 = 0
    for (index, part) in parts.enumerated() {
      let isNumber = !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
      guard isNumber, let number = UInt32(part), number < (index == 0 ? 24 : 60) else {
        throw index == 2 ? wrong(part) : wrong(text)
      }
      seconds = seconds * 60 + number
    }
    return parts.count == 2 ? seconds * 60 : seconds
  }

  /// `YYYY[-MM[-DD[Thh[:mm[:ss]]]]]` as seconds since 1970.
  private static func date(_ text: String) throws(IptablesFailure) -> UInt32 {
    let wrong = IptablesFailure.parameter(
      "Invalid date \"\(text)\" specified. Should be YYYY[-MM[-DD[Thh[:mm[:ss]]]]]"
    )
    var numbers: [Int64] = []
    var rest = text[...]
    let separators: [Character] = ["-", "-", "T", ":", ":"]
    let bounds: [ClosedRange<Int64>] = [1970...2038, 1...12, 1...31, 0...23, 0...59, 0...59]
    while true {
      let digits = rest.prefix { ("0"..."9").contains($0) }
      guard let number = Int64(digits), bounds[numbers.count].contains(number) else { throw wrong }
      numbers.append(number)
      rest = rest.dropFirst(digits.count)
      guard let separator = rest.first else { break }
      guard numbers.count < 6, separator == separators[numbers.count - 1] else { throw wrong }
      rest = rest.dropFirst()
    }
    func part(_ index: Int, _ other: Int64) -> Int64 {
      index < numbers.count ? numbers[index] : other
    }
    let day = CivilDate.day(numbers[0], part(1, 1), part(2, 1))
    let stamp = day * 86400 + part(3, 0) * 3600 + part(4, 0) * 60 + part(5, 0)
    guard (0...Int64(Int32.max)).contains(stamp) else { throw wrong }
    return UInt32(stamp)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    if result.isContiguous, result.timeStart < result.timeStop {
      throw .parameter(
        "time: --contiguous only makes sense when stoptime is smaller than starttime"
      )
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .time(result) }
}
