"""Why a detector scores what it scores: error types, breakdowns, intervals, missed objects."""
