/// An expression of awk.
indirect enum AwkExpression {
  case number(Double)
  case string([UInt8])
  case pattern(RegularExpression)
  case variable(Int)
  case field(AwkExpression)
  case element(Int, [AwkExpression])
  case assign(String, AwkExpression, AwkExpression)
  case step(AwkExpression, by: Double, isPrefix: Bool)
  case binary(String, AwkExpression, AwkExpression)
  case not(AwkExpression)
  case negative(AwkExpression)
  case positive(AwkExpression)
  case match(AwkExpression, AwkExpression, isNegated: Bool)
  case isIn([AwkExpression], Int)
  case and(AwkExpression, AwkExpression)
  case or(AwkExpression, AwkExpression)
  case choice(AwkExpression, AwkExpression, AwkExpression)
  case call(String, [AwkExpression])
  case group(AwkExpression)
}

/// A statement of awk.
indirect enum AwkStatement {
  case expression(AwkExpression)
  case print([AwkExpression])
  case printf([AwkExpression])
  case block([AwkStatement])
  case condition(AwkExpression, AwkStatement, AwkStatement?)
  case loop(AwkExpression?, AwkStatement, step: AwkStatement?, isDo: Bool)
  case forIn(Int, Int, AwkStatement)
  case next
  case exit(AwkExpression?)
  case `break`
  case `continue`
  case delete(Int, [AwkExpression]?)
}

/// A pattern and what is done where it holds.
struct AwkRule {
  enum Pattern {
    case begin
    case end
    case always
    case expression(AwkExpression)
    case range(AwkExpression, AwkExpression)
  }

  var pattern: Pattern
  /// What is done; nil prints the record.
  var action: [AwkStatement]?
}
