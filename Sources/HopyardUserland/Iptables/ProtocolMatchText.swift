import HopyardSimulator

private func not(_ inverted: Bool) -> String { inverted ? " !" : "" }
private func sign(_ inverted: Bool) -> String { inverted ? "!" : "" }

extension RangeMatch {
  /// One number, or two with a colon between.
  var numbers: String { lower == upper ? "\(lower)" : "\(lower):\(upper)" }

  /// `spi:4`, `spis:!4:9`: as the listings of protocols' numbers have it.
  func listed(_ word: String) -> String {
    "\(word)\(lower == upper ? "" : "s"):\(sign(inverted))\(numbers)"
  }
}

extension PortMatch {
  fileprivate var numbers: String { first == last ? "\(first)" : "\(first):\(last)" }
}

private func savedPorts(_ source: PortMatch?, _ destination: PortMatch?) -> String {
  (source.map { not($0.inverted) + " --sport " + $0.numbers } ?? "")
    + (destination.map { not($0.inverted) + " --dport " + $0.numbers } ?? "")
}

extension SCTPMatch {
  /// The names of chunks that rules know, and the letters of their flags.
  static let names: [(name: String, kind: UInt8, flags: String)] = [
    ("DATA", 0, "----IUBE"), ("INIT", 1, "--------"), ("INIT_ACK", 2, "--------"),
    ("SACK", 3, "--------"), ("HEARTBEAT", 4, "--------"), ("HEARTBEAT_ACK", 5, "--------"),
    ("ABORT", 6, "-------T"), ("SHUTDOWN", 7, "--------"), ("SHUTDOWN_ACK", 8, "--------"),
    ("ERROR", 9, "--------"), ("COOKIE_ECHO", 10, "--------"), ("COOKIE_ACK", 11, "--------"),
    ("ECN_ECNE", 12, "--------"), ("ECN_CWR", 13, "--------"),
    ("SHUTDOWN_COMPLETE", 14, "-------T"), ("I_DATA", 64, "----IUBE"),
    ("RE_CONFIG", 130, "--------"), ("PAD", 132, "--------"), ("ASCONF", 193, "--------"),
    ("ASCONF_ACK", 128, "--------"), ("FORWARD_TSN", 192, "--------"),
    ("I_FORWARD_TSN", 194, "--------"),
  ]

  var saved: String {
    savedPorts(source, destination)
      + (chunks.map { not($0.inverted) + " --chunk-types " + $0.text(numeric: false) } ?? "")
  }

  func listedChunks(numeric: Bool) -> String {
    chunks.map { not($0.inverted) + " " + $0.text(numeric: numeric) } ?? ""
  }
}

extension SCTPMatch.Chunks {
  func text(numeric: Bool) -> String {
    var words: [String] = []
    if isEverything {
      words = ["ALL"]
    } else if chunks.isEmpty {
      words = ["NONE"]
    }
    for chunk in isEverything ? [] : chunks {
      let known = SCTPMatch.names.first { $0.kind == chunk.kind }
      var word = known?.name ?? "\(chunk.kind)"
      if numeric { word = hexadecimal(chunk.kind, width: 4) }
      if chunk.flagMask != 0, let letters = known?.flags {
        word += ":"
        for (place, letter) in letters.enumerated() {
          let bit: UInt8 = 0x80 >> UInt8(place)
          guard chunk.flagMask & bit != 0 else { continue }
          word += chunk.flags & bit != 0 ? String(letter) : letter.lowercased()
        }
      }
      words.append(word)
    }
    return scope.rawValue + " " + words.joined(separator: ",")
  }
}

extension DCCPMatch {
  /// The names of packet types by their numbers.
  static let names = [
    "REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC",
    "SYNCACK", "INVALID",
  ]

  private func words(_ bits: UInt16) -> String {
    Self.names.indices.filter { bits >> UInt16($0) & 1 == 1 }.map { Self.names[$0] }
      .joined(separator: ",")
  }

  var saved: String {
    savedPorts(source, destination)
      + (types.map { not($0.inverted) + " --dccp-types " + words($0.bits) } ?? "")
      + (option.map { not($0.inverted) + " --dccp-option \($0.value)" } ?? "")
  }

  func listedRest(numeric: Bool) -> String {
    var text = ""
    if let types {
      let numbers = Self.names.indices.filter { types.bits >> UInt16($0) & 1 == 1 }
      let names = numbers.map { numeric ? "\($0)" : Self.names[$0] }
      text += not(types.inverted) + " " + names.joined(separator: ",")
    }
    if let option { text += " option=\(sign(option.inverted))\(option.value)" }
    return text
  }
}

extension ECNMatch {
  var saved: String {
    (echo.map { not(!$0) + " --ecn-tcp-ece" } ?? "")
      + (reduced.map { not(!$0) + " --ecn-tcp-cwr" } ?? "")
      + (codepoint.map { not($0.inverted) + " --ecn-ip-ect \($0.value)" } ?? "")
  }

  var listed: String {
    " ECN match" + (echo.map { " \(sign(!$0))ECE" } ?? "")
      + (reduced.map { " \(sign(!$0))CWR" } ?? "")
      + (codepoint.map { " \(sign($0.inverted))ECT=\($0.value)" } ?? "")
  }
}

extension CompressionMatch {
  private var isAny: Bool { index.lower == 0 && index.upper == .max && !index.inverted }

  var saved: String {
    (isAny ? "" : not(index.inverted) + " --ipcompspi " + index.numbers)
      + (checksReserved ? " --compres" : "")
  }

  var listed: String {
    " comp" + (isAny ? "" : " " + index.listed("spi")) + (checksReserved ? " reserved" : "")
  }
}

extension FilterProgram {
  private var words: [String] {
    instructions.map { "\($0.code) \($0.whenTrue) \($0.whenFalse) \($0.operand)" }
  }

  var saved: String {
    " --bytecode \"\(instructions.count)," + words.joined(separator: ",") + "\""
  }

  /// The real program ends the list with a byte of zero.
  var listed: String { "match bpf " + words.joined(separator: ",") + "\0" }
}

extension TimeMatch {
  private static let days = ["", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

  private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

  private static func clock(_ seconds: Int64) -> String {
    two(seconds / 3600) + ":" + two(seconds / 60 % 60) + ":" + two(seconds % 60)
  }

  private static func date(_ stamp: UInt32, separator: String) -> String {
    let (year, month, day) = CivilDate.date(Int64(stamp) / 86400)
    return "\(year)-\(two(month))-\(two(day))" + separator + clock(Int64(stamp) % 86400)
  }

  private var weekDayWords: String {
    (1...7).filter { weekDays >> UInt8($0) & 1 == 1 }.map { Self.days[$0] }
      .joined(separator: ",")
  }

  private var monthDayNumbers: [Int] { (1...31).filter { monthDays >> UInt32($0) & 1 == 1 } }

  private var hasTimes: Bool { timeStart != 0 || timeStop != Self.lastOfDay }

  var saved: String {
    var text = ""
    if hasTimes {
      text += " --timestart " + Self.clock(Int64(timeStart))
      text += " --timestop " + Self.clock(Int64(timeStop))
    }
    if monthDays != Self.allMonthDays {
      text += " --monthdays " + monthDayNumbers.map(String.init).joined(separator: ",")
    }
    if weekDays != Self.allWeekDays { text += " --weekdays " + weekDayWords }
    if dateStart != 0 { text += " --datestart " + Self.date(dateStart, separator: "T") }
    // The last second that can be said is printed though it restricts nothing.
    text += " --datestop " + Self.date(dateStop, separator: "T")
    return text + (usesKernelZone ? " --kerneltz" : "") + (isContiguous ? " --contiguous" : "")
  }

  var listed: String {
    var text = " TIME"
    if hasTimes {
      text += " from \(Self.clock(Int64(timeStart))) to \(Self.clock(Int64(timeStop)))"
    }
    if weekDays != Self.allWeekDays { text += " on " + weekDayWords }
    if monthDays != Self.allMonthDays {
      let words = monthDayNumbers.map { number in
        switch number % 10 {
        case 1: "\(number)st"
        case 2: "\(number)nd"
        case 3: "\(number)rd"
        default: "\(number)th"
        }
      }
      text += " on " + words.joined(separator: ",")
    }
    if dateStart != 0 { text += " starting from " + Self.date(dateStart, separator: " ") }
    if dateStop != Self.latest { text += " until date " + Self.date(dateStop, separator: " ") }
    return text + (usesKernelZone ? "" : " UTC") + (isContiguous ? " contiguous" : "")
  }
}

/// Days since 1970 as dates.
enum CivilDate {
  static func date(_ day: Int64) -> (year: Int64, month: Int64, day: Int64) {
    // Days are counted from a first of March, so that a leap day ends its year.
    let shifted = day + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let civil = month < 10 ? month + 3 : month - 9
    return (
      yearOfEra + era * 400 + (civil <= 2 ? 1 : 0), civil, dayOfYear - (153 * month + 2) / 5 + 1
    )
  }

  /// The day of a date; months and days beyond their range run into the next.
  static func day(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = shiftedYear / 400
    let yearOfEra = shiftedYear % 400
    let shiftedMonth = (month + 9) % 12
    let dayOfYear = (153 * shiftedMonth + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
