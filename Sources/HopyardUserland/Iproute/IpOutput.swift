/// What an object of ip(8) prints, as text or as JSON, from one description.
///
///     output.openObject()
///     output.field("dst", "10.0.0.0/24", text: "10.0.0.0/24 ")
///     output.text("\n")                       // only in text
///     output.json("uid", .number(0))          // only in JSON
///     output.closeObject()
struct IpOutput {
  /// Whether JSON is asked for.
  let isJSON: Bool
  private var writer: JSONWriter
  private var plain = ""

  init(isJSON: Bool, isPretty: Bool) {
    self.isJSON = isJSON
    writer = JSONWriter(isPretty: isPretty)
    if isJSON { writer.openArray() }
  }

  /// All that was printed, complete.
  func finished() -> String {
    guard isJSON else { return plain }
    var writer = writer
    writer.closeArray()
    return writer.text + "\n"
  }

  /// Prints text that JSON does not show.
  mutating func text(_ string: String) {
    if !isJSON { plain += string }
  }

  /// Prints a property as text of its own kind, or as JSON.
  mutating func field(_ name: String, _ value: JSONWriter.Scalar, text: String) {
    guard isJSON else {
      plain += text
      return
    }
    json(name, value)
  }

  /// Prints a string property as text with a space behind it unless told otherwise, or as JSON.
  mutating func field(_ name: String, _ value: String, text: String? = nil) {
    field(name, .string(value), text: text ?? value + " ")
  }

  /// Prints a property that text does not show.
  mutating func json(_ name: String, _ value: JSONWriter.Scalar) {
    guard isJSON else { return }
    writer.name(name)
    writer.value(value)
  }

  /// Prints an element of an array.
  mutating func element(_ value: JSONWriter.Scalar, text: String) {
    guard isJSON else {
      plain += text
      return
    }
    writer.value(value)
  }

  /// Opens an object, in JSON only; with a name if it is a property.
  mutating func openObject(_ name: String? = nil) {
    guard isJSON else { return }
    if let name { writer.name(name) }
    writer.openObject()
  }

  /// Closes an object, in JSON only.
  mutating func closeObject() {
    if isJSON { writer.closeObject() }
  }

  /// Opens an array; the text is printed where JSON is not asked for.
  mutating func openArray(_ name: String? = nil, text: String = "") {
    guard isJSON else {
      plain += text
      return
    }
    if let name { writer.name(name) }
    writer.openArray()
  }

  /// Closes an array; the text is printed where JSON is not asked for.
  mutating func closeArray(text: String = "") {
    guard isJSON else {
      plain += text
      return
    }
    writer.closeArray()
  }
}
