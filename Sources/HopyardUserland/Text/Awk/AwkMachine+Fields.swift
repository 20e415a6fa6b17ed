/// The record and its fields.
extension AwkMachine {
  mutating func setRecord(_ bytes: [UInt8]) {
    record = bytes
    fields = nil
    values[nf] = .unset
  }

  mutating func split(_ text: [UInt8], by separator: [UInt8]) throws(Unwind) -> [AwkValue] {
    if separator == [0x20] {
      return text.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A }.map { .input(Array($0)) }
    }
    if text.isEmpty { return [] }
    if separator.isEmpty { return text.map { .input([$0]) } }
    if separator.count == 1 {
      return text.split(separator: separator[0], omittingEmptySubsequences: false)
        .map { .input(Array($0)) }
    }
    let pattern = try regularExpression(separator)
    var result: [AwkValue] = []
    var from = 0
    var search = 0
    while search <= text.count, let match = pattern.firstMatch(in: text, from: search)?[0] {
      if match.isEmpty {
        search = match.upperBound + 1
        continue
      }
      result.append(.input(Array(text[from..<match.lowerBound])))
      from = match.upperBound
      search = from
    }
    result.append(.input(Array(text[from...])))
    return result
  }

  mutating func regularExpression(_ bytes: [UInt8]) throws(Unwind) -> RegularExpression {
    if let known = patterns[bytes] { return known }
    do {
      let pattern = try RegularExpression(bytes, syntax: .extended)
      if patterns.count > 1_000 { patterns = [:] }
      patterns[bytes] = pattern
      return pattern
    } catch {
      throw .process(.refused("awk: \(error.message)"))
    }
  }

  mutating func loadFields() throws(Unwind) {
    if fields != nil { return }
    let split = try split(record, by: values[fs].bytes)
    fields = split
    values[nf] = .number(Double(split.count))
  }

  mutating func rebuild() {
    let separator = values[ofs].bytes
    record = Array((fields ?? []).map(\.bytes).joined(separator: separator))
  }

  mutating func field(_ number: Double) throws(Unwind) -> AwkValue {
    let index = Self.integer(number)
    if index == 0 { return .input(record) }
    try loadFields()
    guard let fields, index >= 1, index <= fields.count else { return .unset }
    return fields[Int(index) - 1]
  }

  mutating func setField(_ number: Double, _ value: AwkValue) throws(Unwind) {
    let index = Self.integer(number)
    guard index >= 0, index <= 100_000 else {
      throw .process(.refused("awk: a field number of more than 100,000 is not modelled"))
    }
    if index == 0 {
      setRecord(value.bytes)
      return
    }
    try loadFields()
    var list = fields ?? []
    while list.count < index { list.append(.unset) }
    list[Int(index) - 1] = value
    fields = list
    values[nf] = .number(Double(list.count))
    rebuild()
  }
}
