/// Takes flows at random by their weights.
struct FlowChooser {
    private let sums: [Double]

    init(_ weights: [Double]) {
        var sum = 0.0
        sums = weights.map { weight in
            sum += weight
            return sum
        }
    }

    func choose(_ random: inout SplitMix64) -> Int {
        guard sums.count > 1, let total = sums.last else { return 0 }
        let value = Double.random(in: 0..<total, using: &random)
        return sums.firstIndex { value < $0 } ?? sums.count - 1
    }
}
