import HopyardUserland

/// Writes the results of scenarios as JUnit XML, which CI systems show.
public enum JUnitReport {
  /// The report of some scenarios, one test suite for each.
  public static func text(_ results: [ScenarioResult]) -> String {
    let cases = results.reduce(0) { $0 + max(1, $1.expectations.count) }
    let failures = results.reduce(0) { $0 + $1.expectations.count { !$0.holds } }
    let errors = results.count { $0.failure != nil }
    var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    text +=
      "<testsuites name=\"hopyard\" tests=\"\(cases)\" failures=\"\(failures)\" errors=\"\(errors)\">\n"
    for result in results { text += suite(result) }
    return text + "</testsuites>\n"
  }

  private static func suite(_ result: ScenarioResult) -> String {
    let failures = result.expectations.count { !$0.holds }
    let seconds = ScenarioResult.seconds(result.duration)
    let name = escaped(result.file)
    var text =
      "  <testsuite name=\"\(name)\" tests=\"\(max(1, result.expectations.count))\" "
      + "failures=\"\(failures)\" errors=\"\(result.failure == nil ? 0 : 1)\" time=\"\(seconds)\">\n"
    if let failure = result.failure {
      let place = result.failureLocation.map { ":\($0)" } ?? ""
      text += "    <testcase classname=\"\(name)\" name=\"run\">\n"
      text += "      <error message=\"\(escaped(failure))\">\(name)\(place)</error>\n"
      text += "    </testcase>\n"
    } else if result.expectations.isEmpty {
      text += "    <testcase classname=\"\(name)\" name=\"run\"/>\n"
    }
    for expectation in result.expectations {
      let title = escaped("\(expectation.location.line): \(expectation.title)")
      text += "    <testcase classname=\"\(name)\" name=\"\(title)\""
      if expectation.holds {
        text += "/>\n"
        continue
      }
      let first = expectation.difference.split(separator: "\n").first.map(String.init) ?? ""
      text += ">\n      <failure message=\"\(escaped(first))\">"
      text += escaped("\(result.file):\(expectation.location)\n\(expectation.difference)")
      text += "</failure>\n    </testcase>\n"
    }
    return text + "  </testsuite>\n"
  }

  /// The text for XML; what XML 1.0 cannot hold becomes a question mark.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n": result += "&#10;"
      case "\t": result += "&#9;"
      case _ where scalar.value < 0x20 || scalar.value == 0xfffe || scalar.value == 0xffff:
        result += "?"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

extension ScenarioResult {
  /// Nanoseconds as seconds with three decimals.
  static func seconds(_ nanoseconds: Int64) -> String {
    let thousandths = nanoseconds / 1_000_000
    return "\(thousandths / 1000)." + String(1000 + thousandths % 1000).dropFirst()
  }

  /// The failures as GitHub's workflow commands, which mark the lines of the file.
  public var annotations: String {
    func escaped(_ text: String) -> String {
      text.replacing("%", with: "%25").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
    }
    func value(_ text: String) -> String {
      escaped(text).replacing(":", with: "%3A").replacing(",", with: "%2C")
    }
    var text = ""
    if let failure {
      text +=
        "::error file=\(value(file)),line=\(failureLocation?.line ?? 1)::\(escaped(failure))\n"
    }
    for expectation in expectations where !expectation.holds {
      let place = "line=\(expectation.location.line),col=\(expectation.location.column)"
      let message = "expected \(expectation.title)\n\(expectation.difference)"
      text += "::error file=\(value(file)),\(place)::\(escaped(message))\n"
    }
    return text
  }
}
