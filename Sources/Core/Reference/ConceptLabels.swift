internal import Protobuf
internal import TrellisAPI

/// The texts of a concept in other languages, as the database keeps them: a JSON array of objects, ordered by language
/// so that their order in the source makes no difference between releases.
enum ConceptLabels {
    /// The JSON text of labels.
    static func json(_ labels: [Label]) -> String {
        let sorted = labels.sorted { $0.language.utf8.lexicographicallyPrecedes($1.language.utf8) }
        return JSONValue.array(
            sorted.map { label in
                .object([
                    (key: "language", value: .string(label.language)), (key: "name", value: .string(label.name)),
                    (key: "description", value: .string(label.description)),
                ])
            }
        )
        .written()
    }

    /// The labels of JSON text that the database returned.
    static func labels(_ json: String) -> [Label] {
        guard let elements = (try? JSONValue(parsing: json))?.elements else {
            preconditionFailure("the column labels holds an array: \(json.prefix(100))")
        }
        return elements.map { element in
            Label(
                language: element["language"]?.text ?? "",
                name: element["name"]?.text ?? "",
                description: element["description"]?.text ?? ""
            )
        }
    }
}
