/// An awk program, read.
struct AwkProgram {
  let rules: [AwkRule]
  /// Where each variable and array stands among the values.
  private(set) var names: [String: Int]

  init(_ text: [UInt8]) throws(AwkError) {
    var parser = AwkParser(text)
    try parser.parse()
    rules = parser.rules
    names = parser.names
  }

  /// Where a variable stands, which is made where there is none.
  mutating func variable(_ name: String) -> Int {
    if let known = names[name] { return known }
    names[name] = names.count
    return names.count - 1
  }
}
