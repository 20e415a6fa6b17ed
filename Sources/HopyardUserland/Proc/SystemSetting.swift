/// One file of `/proc/sys`: how it is read and written.
struct SystemSetting {
  /// Its content, without the line end.
  var read: () -> String
  /// Takes a new value; nil for a file that nobody may write.
  var write: ((String) throws(Errno) -> Void)?

  /// Makes a setting.
  init(read: @escaping () -> String, write: ((String) throws(Errno) -> Void)? = nil) {
    self.read = read
    self.write = write
  }

  /// Makes a setting that holds one integer.
  static func integer(
    _ range: ClosedRange<Int64> = Int64(Int32.min)...Int64(Int32.max),
    read: @escaping () -> Int64,
    write: ((Int64) throws(Errno) -> Void)?
  ) -> SystemSetting {
    let body: ((String) throws(Errno) -> Void)?
    if let write {
      body = { text throws(Errno) in
        guard let value = try integers(text).first else { throw .invalidArgument }
        guard range.contains(value) else { throw .invalidArgument }
        try write(value)
      }
    } else {
      body = nil
    }
    return SystemSetting(read: { String(read()) }, write: body)
  }

  /// The numbers that stand in what was written, as the kernel reads them: decimal, `0x…` or
  /// octal, with white space between.
  static func integers(_ text: String) throws(Errno) -> [Int64] {
    var numbers: [Int64] = []
    for word in text.split(whereSeparator: { " \t\n\0".contains($0) }) {
      // What stands behind the first number is not looked at until it is needed.
      guard let number = integer(word) else {
        if numbers.isEmpty { throw .invalidArgument }
        break
      }
      numbers.append(number)
    }
    if numbers.isEmpty { throw .invalidArgument }
    return numbers
  }

  private static func integer(_ word: Substring) -> Int64? {
    var digits = word
    let isNegative = digits.first == "-"
    if isNegative { digits = digits.dropFirst() }
    let value: Int64?
    if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
      value = Int64(digits.dropFirst(2), radix: 16)
    } else if digits.hasPrefix("0"), digits.count > 1 {
      value = Int64(digits, radix: 8)
    } else {
      value = digits.first?.isNumber == true ? Int64(digits) : nil
    }
    return value.map { isNegative ? -$0 : $0 }
  }
}

/// What a path of `/proc/sys` names.
enum SystemSettingNode {
  case directory([String])
  case setting(SystemSetting)
}
